//! Records of the log: commands, facts, outcomes, dead letters.

use bytes::Bytes;
use loki_wire::Headers;
use loki_wire::contract::reads_again;

use super::first_line;

/// Lines `name: value` up to an empty one are headers, and `key` is the record's key; what follows is its value.
pub(crate) fn record(input: &[u8]) {
    let (mut headers, mut key, mut rest) = (Headers::new(), None, input);
    loop {
        let (line, after) = first_line(rest);
        rest = after;
        let Some(colon) = line.windows(2).position(|two| two == b": ") else { break };
        let (name, value) = (String::from_utf8_lossy(&line[..colon]).into_owned(), Bytes::copy_from_slice(&line[colon + 2..]));
        if name == "key" { key = Some(value) } else { headers.push((name, value)) }
    }
    let value = (!rest.is_empty()).then(|| Bytes::copy_from_slice(rest));
    reads_again(key.as_ref(), value.as_ref(), &headers);
}
