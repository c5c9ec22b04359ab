//! What holds for every record, whoever wrote it.

use bytes::Bytes;

use crate::{DeadLetter, Envelope, Error, Headers, Intake, command, fact, outcome, task_log};

/// Gives a record to every reader: each answers with a value or an error, and what it read is written and read again the same.
///
/// # Panics
/// When it is not.
pub fn reads_again(key: Option<&Bytes>, value: Option<&Bytes>, headers: &Headers) {
    let envelopes = [Envelope::read(value, headers), Envelope::read_body(value.unwrap_or(&Bytes::new()))];
    for envelope in envelopes.into_iter().flatten() {
        let again = Envelope::read(Some(&envelope.data), &envelope.headers()).map(|again| (again.id, again.kind, again.actor));
        // the headers' names make it larger than a bare body was
        if !matches!(again, Err(Error::TooLarge { .. })) {
            assert_eq!(again.unwrap(), (envelope.id.clone(), envelope.kind.clone(), envelope.actor.clone()));
        }
        for kind in std::iter::once(envelope.kind.as_str()).chain(command::TYPES) {
            let other = Envelope { kind: kind.to_owned(), dataschema: None, ..envelope.clone() };
            let read = [Intake::read(&envelope), Intake::read(&other)];
            for intake in read.into_iter().flatten() {
                let written = command::write(&intake.command);
                assert_eq!(Intake::read(&Envelope::new(intake.command.type_name(), written)).unwrap().command, intake.command);
            }
        }
    }
    if let Ok(fact) = fact::read(42, key, value, headers) {
        let again = fact::write(&fact.change, fact.command, 0, fact.last, None);
        assert_eq!(fact::read(42, Some(&again.key), again.value.as_ref(), &again.headers).unwrap(), fact);
    }
    if let Ok(outcome) = outcome::read(value, headers) {
        let again = outcome::write(&outcome, None);
        assert_eq!(outcome::read(Some(&again.value), &again.headers).unwrap(), outcome);
    }
    if let Ok(chunk) = task_log::read(value, headers) {
        let (_, value, headers) = task_log::write(&chunk);
        assert_eq!(task_log::read(Some(&value), &headers).unwrap(), chunk);
    }
    if let Some(value) = value
        && let Ok(letter) = DeadLetter::read(value, headers)
    {
        let (_, value, headers) = letter.write();
        assert_eq!(DeadLetter::read(&value, &headers).unwrap(), letter);
    }
}
