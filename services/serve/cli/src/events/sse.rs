//! Reading server-sent events from pieces of text as they come over the network.

use crate::exit::{Exit, Failure};

/// An outcome with its facts stays far below.
const EVENT_BYTES: usize = 8 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) id: Option<String>,
    pub(super) kind: String,
    pub(super) data: String,
}

/// Puts events together.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// The beginning of a line whose end has not come yet.
    rest: Vec<u8>,
    event: Event,
}

impl Parser {
    /// Takes a piece in and gives the events that it completes.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<Vec<Event>, Failure> {
        let mut events = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(part);
            if self.rest.len() + self.event.data.len() > EVENT_BYTES {
                return Err(Failure::new(Exit::Failed, format!("an event has more than {} MiB", EVENT_BYTES >> 20)));
            }
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.rest);
                events.extend(self.line(&String::from_utf8_lossy(line.trim_ascii_end())));
            }
        }
        Ok(events)
    }

    /// An empty line ends an event; one without data is none.
    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (!event.data.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.event.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.event.kind),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // a comment keeps the connection alive; `retry` is ours to choose
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": alive\n\nid: o8\nevent: accepted\ndata: {\"a\":1}\n\nid:o9\r\ndata: x\r\ndata: y\r\n\r\nretry: 5\n\ndata";

    fn event(id: &str, kind: &str, data: &str) -> Event {
        Event { id: Some(id.to_owned()), kind: kind.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn pieces_may_be_cut_anywhere() {
        let expected = [event("o8", "accepted", "{\"a\":1}"), event("o9", "", "x\ny")];
        for size in 1..STREAM.len() {
            let mut parser = Parser::default();
            let found: Vec<Event> = STREAM.as_bytes().chunks(size).flat_map(|piece| parser.take(piece).unwrap()).collect();
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; 1 << 20];
        let refused = (0..100).find_map(|_| parser.take(&piece).err());
        assert!(refused.is_some());
    }
}
