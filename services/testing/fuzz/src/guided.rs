//! What libFuzzer calls, over and over: the target that the environment names. `make fuzz TARGET=…` builds and runs it.

#![no_main]
#![allow(unsafe_code, reason = "libFuzzer finds what it calls by a name that is not mangled")]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use loki_fuzz::{Target, target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("LOKI_FUZZ_TARGET").unwrap_or_default();
    target(&name).unwrap_or_else(|error| panic!("LOKI_FUZZ_TARGET: {error}"))
});

fuzz_target!(|input: &[u8]| (TARGET.check)(input));
