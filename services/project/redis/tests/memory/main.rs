//! Memory keeps the promise.

mod world;

use crate::world::InMemory;

loki_redis::samples_contract!(async { InMemory::default() });
