//! Redis keeps the promise, and what happens when it is hurt; the projector of samples over both adapters.

mod facts;
mod following;
mod given;
mod hurt;
mod spy;
mod topic;

use crate::given::Shared;

loki_redis::samples_contract!(async { Shared::new() });
