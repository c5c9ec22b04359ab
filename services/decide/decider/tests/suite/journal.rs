//! Checks a whole log: every promise that can be read off it, by deciding it again with the pure part.

use loki_core::{State, invariants};
use loki_decider::answer;
use loki_decider::book::{Book, Decided};
use loki_wire::{Change, DeadLetter, Verdict, fact, outcome};

use super::Site;

/// Reads everything and compares it with what the commands alone lead to.
pub(crate) async fn check(site: &Site) -> State {
    let commands = site.read(&site.commands()).await;
    let outcomes = site.read(&site.outcomes()).await;
    assert_eq!(commands.len(), outcomes.len(), "one outcome for each command");
    let verdicts = outcomes.iter().map(|record| outcome::read(record.value.as_ref(), &record.headers).expect("an outcome").verdict);
    let (mut fact_count, mut dead_count) = (1, 0);
    for verdict in verdicts {
        match verdict {
            Verdict::Accepted { facts, .. } => fact_count += facts.len(),
            Verdict::Dead { .. } => dead_count += 1,
            Verdict::Rejected(_) | Verdict::Duplicate { .. } => {}
        }
    }
    let facts = site.read_all(&site.facts(), fact_count).await;
    let letters = site.read_all(&site.dead(), dead_count).await;

    let mut book = Book::default();
    let mut written = facts.iter();
    let first = written.next().expect("the log id");
    let log_id = fact::read(first.offset, first.key.as_ref(), first.value.as_ref(), &first.headers).expect("a fact");
    assert!(matches!(log_id.change, Change::Log(_)), "the log begins with its id");
    book.last_fact = Some(first.offset);
    let mut folded = State::default();
    let mut dead = letters.iter();
    let mut at_ms = 0;
    for (command, recorded) in commands.iter().zip(&outcomes) {
        let outcome = outcome::read(recorded.value.as_ref(), &recorded.headers).expect("an outcome");
        assert_eq!(outcome.command, command.offset, "outcomes are in the order of the commands");
        assert_eq!(outcome.at_ms, command.timestamp_ms.max(at_ms), "the log's time is the time");
        assert_eq!(outcome.at_ms, recorded.timestamp_ms);
        at_ms = outcome.at_ms;

        let offsets: Vec<u64> = match &outcome.verdict {
            Verdict::Accepted { facts, .. } => facts.iter().map(|fact| fact.offset).collect(),
            _ => Vec::new(),
        };
        let draft = book.decide([command]);
        let again = answer::outcomes(&book, &draft, &offsets);
        let text = |value: &Option<bytes::Bytes>| String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned();
        assert_eq!(text(&again.records[0].value), text(&recorded.value), "deciding again gives the same outcome, byte for byte");

        for (expected, offset) in answer::facts(&draft).iter().zip(&offsets) {
            let fact = written.next().expect("each fact of an outcome is there");
            assert_eq!(fact.offset, *offset);
            assert_eq!((&fact.key, &fact.value, &fact.headers), (&expected.key, &expected.value, &expected.headers));
            assert_eq!(fact.timestamp_ms, outcome.at_ms);
            let read = fact::read(fact.offset, fact.key.as_ref(), fact.value.as_ref(), &fact.headers).expect("a fact");
            assert_eq!((read.command, read.last), (command.offset, offsets.last() == Some(offset)));
            match read.change {
                Change::Set(entity) => drop(folded.evolve(entity.key(), Some(entity))),
                Change::Removed(key) => drop(folded.evolve(key, None)),
                Change::Log(_) => panic!("a second log id"),
            }
        }
        if let Decided::Dead(letter) = &draft.answers[0].decided {
            let record = dead.next().expect("a dead letter");
            let kept = DeadLetter::read(record.value.as_ref().expect("a value"), &record.headers).expect("a letter");
            assert_eq!(&kept, &**letter);
            let original = if kept.omitted.is_none() { command.value.clone() } else { None };
            assert_eq!(kept.value, original, "the original bytes");
        }
        book.settle(&draft, &again.firsts, again.previous);
    }
    assert!(written.next().is_none(), "no fact without an outcome");
    assert!(dead.next().is_none(), "no dead letter without an outcome");
    assert!(folded == book.state, "the facts fold to the state that was decided on");
    assert_eq!(invariants::check(&folded), Vec::<String>::new());
    if let Some(last) = commands.last() {
        // written with the outcomes, so nobody sees one without the other for long
        site.committed(last.offset + 1).await;
    }
    folded
}
