//! The scripts, and whose keys they are given.

use std::sync::LazyLock;

use redis::{Script, ScriptInvocation};

use crate::keys::FactKeys;

macro_rules! script {
    ($name:ident, $($file:literal)+) => {
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(concat!($(include_str!(concat!("scripts/", $file)), "\n",)+)));
    };
}

script!(PLACE, "generation.lua" "place.lua");
script!(BEGIN, "begin.lua");
script!(FINISH, "generation.lua" "finish.lua");
script!(APPLY, "generation.lua" "apply.lua");
script!(FORGET, "generation.lua" "forget.lua");
script!(NODE, "generation.lua" "fragment.lua" "resolve.lua" "node.lua");
script!(UNDER, "generation.lua" "resolve.lua" "under.lua");
script!(FRAGMENTS, "generation.lua" "fragment.lua" "fragments.lua");

/// A call about the generation that is, or should be, named by a key.
pub(super) fn about<'s>(script: &'s Script, named: &str, keys: &FactKeys, generation: u64) -> ScriptInvocation<'s> {
    let mut call = script.prepare_invoke();
    call.key(named).key(keys.generation(generation)).arg(generation);
    call
}
