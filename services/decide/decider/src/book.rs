//! What the decider knows, and how a batch of records changes it. Pure: the same records give the same answers.
//!
//! A batch is decided on the book itself. Until the log has it, every change can be undone (`forget`); once it has, `settle` makes it final.

use bytes::Bytes;
use loki_core::{Decision, Fact, First, IdKey, IdUndo, Ids, Origin, REMEMBERED_MS, Seen, State, Undo, decide, subject};
use loki_domain::{Code, Command, Entity, Key, Position, Rejection, TokenId};
use loki_log::Record;
use loki_wire::digest::Digest;
use loki_wire::signature::{Secret, Signed};
use loki_wire::{Change, DeadLetter, fact, task};

use crate::intake::{self, Asked, Sender};

/// The largest fact.
const FACT_BYTES_MAX: usize = 64 * 1024;
/// The largest sum of one command's facts.
const COMMAND_BYTES_MAX: usize = 512 * 1024;
/// A batch ends here, so that a transaction stays small whatever its commands do.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The state of the cell as of one position of the commands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    pub state: State,
    pub ids: Ids,
    /// The time of the last outcome.
    pub at_ms: i64,
    /// The hash of the last outcome.
    pub previous: Digest,
    /// Where the last fact lies.
    pub last_fact: Option<u64>,
    /// The next command.
    pub next: u64,
    /// Signs tasks.
    pub signer: Option<Secret>,
}

/// A decided batch that the log does not have yet.
#[derive(Debug)]
pub struct Draft {
    pub answers: Vec<Answer>,
    changes: Vec<Changed>,
    at_before_ms: i64,
}

#[derive(Debug)]
enum Changed {
    Fact(Undo),
    Id(IdUndo),
}

/// The answer to one record.
#[derive(Debug)]
pub struct Answer {
    pub offset: u64,
    pub at_ms: i64,
    pub sender: Sender,
    pub digest: Option<Digest>,
    pub decided: Decided,
    /// Under which key the first answer is remembered.
    remembered: Option<IdKey>,
}

#[derive(Debug)]
pub enum Decided {
    Accepted {
        facts: Vec<NewFact>,
        follow: Option<Box<FollowUp>>,
    },
    Rejected(Rejection),
    /// `first` lacks its position when that command is in the same batch.
    Duplicate {
        of: u64,
        first: First,
    },
    Dead(Box<DeadLetter>),
}

/// A fact that is ready to be written.
#[derive(Debug)]
pub struct NewFact {
    pub key: Key,
    pub written: fact::Encoded,
}

/// A command that the decider appends to itself.
#[derive(Debug)]
pub struct FollowUp {
    pub id: String,
    pub command: Command,
}

impl Book {
    /// Decides records that follow each other, from the first on; how many is in the draft's answers, at least one.
    pub fn decide<'r>(&mut self, records: impl IntoIterator<Item = &'r Record>) -> Draft {
        let mut draft = Draft { answers: Vec::new(), changes: Vec::new(), at_before_ms: self.at_ms };
        let mut bytes = 0;
        for record in records {
            let answer = self.answer(record, &mut draft.changes);
            bytes += answer.bytes();
            draft.answers.push(answer);
            if bytes >= BATCH_BYTES_MAX {
                break;
            }
        }
        draft
    }

    /// Undoes a draft: the book is what it was.
    pub fn forget(&mut self, draft: Draft) {
        for change in draft.changes.into_iter().rev() {
            match change {
                Changed::Fact(undo) => self.state.revert(undo),
                Changed::Id(undo) => self.ids.revert(undo),
            }
        }
        self.at_ms = draft.at_before_ms;
    }

    /// Makes a draft final: the log has it. `firsts`: where the facts of its accepted commands lie, in order.
    pub fn settle(&mut self, draft: &Draft, firsts: &[Option<u64>], previous: Digest) {
        let accepted = draft.answers.iter().filter(|answer| matches!(answer.decided, Decided::Accepted { .. }));
        for (answer, after) in accepted.zip(firsts) {
            self.last_fact = self.last_fact.max(*after);
            if let Some(key) = answer.remembered {
                self.ids.answer(key, First::Accepted { after: *after });
            }
        }
        self.previous = previous;
        if let Some(last) = draft.answers.last() {
            self.next = last.offset + 1;
        }
        self.ids.forget(self.at_ms, 2 * draft.answers.len());
    }

    fn answer(&mut self, record: &Record, changes: &mut Vec<Changed>) -> Answer {
        self.at_ms = self.at_ms.max(record.timestamp_ms);
        let (sender, asked) = intake::read(record);
        let mut answer = Answer {
            offset: record.offset,
            at_ms: self.at_ms,
            sender,
            digest: None,
            decided: Decided::Accepted { facts: Vec::new(), follow: None },
            remembered: None,
        };
        let asked = match asked {
            Ok(asked) => asked,
            Err(reason) => {
                answer.decided = Decided::Dead(Box::new(dead_letter(record, self.at_ms, reason)));
                return answer;
            }
        };
        answer.digest = Some(asked.digest);
        let origin = Origin::new(&answer.sender.actor, &answer.sender.id);
        if asked.is_repeatable {
            let key = IdKey::of(&origin);
            match self.ids.seen(key, &asked.digest, self.at_ms) {
                Seen::Never => answer.remembered = Some(key),
                Seen::Before { offset, first } => {
                    answer.decided = Decided::Duplicate { of: offset, first: first.clone() };
                    return answer;
                }
                Seen::WithOtherContent { offset } => {
                    answer.decided = Decided::Rejected(reused(&answer.sender.id, offset));
                    return answer;
                }
            }
        }
        answer.decided = match self.carry_out(record.offset, &asked, &answer.sender, changes) {
            Ok((facts, follow)) => Decided::Accepted { facts, follow },
            Err(rejection) => Decided::Rejected(rejection),
        };
        if let Some(key) = answer.remembered {
            let first = match &answer.decided {
                Decided::Rejected(rejection) => First::Rejected(Box::new(rejection.clone())),
                _ => First::Accepted { after: None },
            };
            changes.push(Changed::Id(self.ids.remember(key, &asked.digest, self.at_ms, record.offset, first)));
        }
        answer
    }

    fn carry_out(
        &mut self,
        offset: u64,
        asked: &Asked,
        sender: &Sender,
        changes: &mut Vec<Changed>,
    ) -> Result<(Vec<NewFact>, Option<Box<FollowUp>>), Rejection> {
        check_expiry(asked.expires_ms, self.at_ms)?;
        let token = asked.signed.as_ref().map(|signed| self.token(signed)).transpose()?;
        let origin = Origin { actor: &sender.actor, id: &sender.id, token };
        let Decision { mut facts, follow } = decide(&self.state, &asked.command, &origin, self.at_ms)?;
        self.sign(&mut facts);

        let count = facts.len();
        let mut written = Vec::with_capacity(count);
        let mut evolved = Vec::with_capacity(count);
        let mut bytes = 0;
        for (index, (key, entity)) in facts.into_iter().enumerate() {
            let change = entity.map_or(Change::Removed(key), Change::Set);
            let encoded = fact::write(&change, offset, index, index + 1 == count, sender.traceparent.as_deref());
            let size = encoded.value.as_ref().map_or(0, Bytes::len);
            bytes += size;
            if size > FACT_BYTES_MAX || bytes > COMMAND_BYTES_MAX {
                return Err(too_large(&asked.command, size));
            }
            written.push(NewFact { key, written: encoded });
            evolved.push((key, change));
        }
        for (key, change) in evolved {
            let entity = if let Change::Set(entity) = change { Some(entity) } else { None };
            changes.push(Changed::Fact(self.state.evolve(key, entity)));
        }
        let follow = follow.map(|command| Box::new(FollowUp { id: self.follow_up_id(&command, offset), command }));
        Ok((written, follow))
    }

    /// Signs the tasks that are new. No decision asks for a signature: whoever decides the journal again without the secret gives the same facts but
    /// for these.
    fn sign(&self, facts: &mut [Fact]) {
        let Some(signer) = &self.signer else { return };
        let run = facts.iter().find_map(|(_, entity)| if let Some(Entity::Run(run)) = entity { Some(run.clone()) } else { None });
        for (_, entity) in facts {
            let Some(Entity::Task(told)) = entity else { continue };
            if !told.state.is_open() || told.signature.is_some() {
                continue;
            }
            let run = run.as_deref().filter(|run| run.id == told.run).or_else(|| self.state.runs().get(&told.run));
            let Some(run) = run else { continue };
            let package = task::package_of(run, told).and_then(|id| self.state.packages().get(&id));
            told.signature = task::document(run, told, package).map(|document| task::sign(signer, &document));
        }
    }

    /// The token that has signed it. A wrong signature is refused also where none is asked for.
    fn token(&self, signed: &Signed) -> Result<TokenId, Rejection> {
        let forbidden = |message: String| Rejection::new(Code::Forbidden, "token", message);
        let token = self.state.tokens().named(&signed.token);
        let token = token.ok_or_else(|| forbidden(format!("there is no token `{}`", signed.token)))?;
        match signed.is_of(&token.key) {
            true => Ok(token.id),
            false => Err(forbidden(format!("the signature is not of token `{}`", token.name))),
        }
    }

    /// `@<membership>-<next>-<command's offset>`: the same step never gets two ids, and no sender's id is like it.
    fn follow_up_id(&self, command: &Command, offset: u64) -> String {
        let sweep = match command {
            Command::MembershipSweep { membership } => {
                self.state.memberships().get(membership).and_then(|rule| Some((rule.id, rule.sweep?)))
            }
            _ => None,
        };
        match sweep {
            Some((id, sweep)) => format!("@{id}-{}-{offset}", sweep.next),
            None => format!("@{}-{offset}", command.type_name()),
        }
    }
}

impl Answer {
    /// About how much it adds to the transaction: facts are written twice, as such and in the outcome.
    fn bytes(&self) -> usize {
        match &self.decided {
            Decided::Accepted { facts, .. } => facts.iter().map(|fact| 2 * fact.written.value.as_ref().map_or(64, Bytes::len)).sum(),
            Decided::Dead(letter) => letter.kept_bytes(),
            Decided::Rejected(_) | Decided::Duplicate { .. } => 0,
        }
    }

    /// As metrics and logs name it.
    pub fn outcome(&self) -> &'static str {
        match &self.decided {
            Decided::Accepted { .. } => "accepted",
            Decided::Rejected(_) => "rejected",
            Decided::Duplicate { .. } => "duplicate",
            Decided::Dead(_) => "dead",
        }
    }
}

/// What lies further ahead than ids are remembered could come again after its id was forgotten, and be done twice.
fn check_expiry(expires_ms: Option<i64>, at_ms: i64) -> Result<(), Rejection> {
    let latest = at_ms.saturating_add(REMEMBERED_MS);
    let expires_ms = expires_ms.unwrap_or(latest);
    if expires_ms < at_ms {
        let message = format!("it expired {} ms before it was decided", at_ms.saturating_sub(expires_ms));
        return Err(Rejection::new(Code::Expired, "expires", message));
    }
    if expires_ms > latest {
        return Err(Rejection::new(Code::Invalid, "expires", "at most 24 hours ahead of the log's time"));
    }
    Ok(())
}

fn reused(id: &str, offset: u64) -> Rejection {
    let message = format!("`{id}` was used for another command at {}: give each command its own id", Position::command(offset));
    Rejection::new(Code::IdReused, "id", message)
}

fn too_large(command: &Command, size: usize) -> Rejection {
    let message = if size > FACT_BYTES_MAX {
        format!("the entity would have {size} bytes, at most {FACT_BYTES_MAX} are allowed: give it less")
    } else {
        format!("the facts would have more than {COMMAND_BYTES_MAX} bytes together: split the command")
    };
    Rejection::new(Code::TooLarge, subject(command), message)
}

fn dead_letter(record: &Record, at_ms: i64, reason: loki_wire::DeadReason) -> DeadLetter {
    let letter = DeadLetter {
        topic: record.partition.topic.to_string(),
        partition: record.partition.number,
        offset: record.offset,
        index: 0,
        at_ms,
        reason,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.clone(),
        omitted: None,
    };
    let mut letter = letter.bounded();
    if let Some(bytes) = letter.omitted {
        let place = format!("; the original of {bytes} bytes is not kept here: it lies at {}", Position::command(record.offset));
        letter.reason.message.push_str(&place);
    }
    letter
}
