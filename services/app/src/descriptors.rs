//! The process' bound on open files, of which each connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a process needs beside the API's connections: of the stores, of other listeners, of its own files.
const OTHERS: usize = 2_048;

/// Raises the bound as far as this process may where it is too low for so many connections of the API, and warns where that is too little.
pub(crate) fn allow(connections_max: usize) {
    let wanted = connections_max.saturating_add(OTHERS) as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let reached = match maximum {
        Some(maximum) if maximum < wanted => maximum,
        _ => wanted,
    };
    if current.is_some_and(|current| current < reached)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(reached), maximum })
    {
        tracing::warn!(error = %error, "the bound on open files stays as it is");
    }
    let current = getrlimit(Resource::Nofile).current;
    if let Some(current) = current.filter(|current| *current < wanted) {
        tracing::warn!(
            "{current} files may be open at once, `api.connections_max` needs {wanted}: raise `ulimit -Hn`, or lower the setting"
        );
    }
}
