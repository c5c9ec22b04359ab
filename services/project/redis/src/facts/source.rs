//! The store as a reading process knows it: which generation is the main one, and how far it was.

use std::sync::{Arc, Mutex, PoisonError};
use std::vec::IntoIter;

use loki_domain::LogId;
use loki_runner::wait::{Awaited, Said};
use loki_runner::{State, Stored};
use redis::{Script, Value};

use super::mark::{Mark, Told};
use super::port::{NotReady, Refusal};
use super::scripts::{PLACE, about};
use crate::config::Config;
use crate::connection::Connection;
use crate::error::Error;
use crate::keys::FactKeys;

/// How often a script is called again for a generation that took another one's place meanwhile.
const TRIES: usize = 10;

/// The store as this process knows it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    connection: Connection,
    keys: FactKeys,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Known {
    /// The number of the main generation.
    main: Option<u64>,
    /// What was last answered from.
    seen: Option<Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    log: LogId,
    filled: u64,
    position: u64,
}

/// What a script about the main generation answered.
pub(super) enum Asked {
    Is(Mark, IntoIter<Value>),
    Empty,
    Large,
}

impl Source {
    /// Connects when it is first used.
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        Ok(Self { connection: Connection::new(config)?, keys: FactKeys::new(&config.prefix), known: Arc::default() })
    }

    /// What the store says of itself, when it may be read.
    pub(super) async fn ready(&self) -> Result<Mark, NotReady> {
        match self.asked(&PLACE, &[]).await {
            Ok((mark, _)) => Ok(mark),
            Err(Refusal::NotReady(why)) => Err(why),
            Err(other) => Err(NotReady(other.to_string())),
        }
    }

    /// Asks about the main generation, when it may be read.
    pub(super) async fn asked(&self, script: &Script, arguments: &[String]) -> Result<(Mark, IntoIter<Value>), Refusal> {
        // answers may overtake each other: what counts is what was known when it was asked
        let seen = self.known().seen;
        match self.ask(script, arguments).await.map_err(away)? {
            Asked::Is(mark, told) => {
                self.judge(seen, mark)?;
                Ok((mark, told))
            }
            Asked::Empty => Err(NotReady("the store is empty and waits to be filled".to_owned()).into()),
            Asked::Large => Err(Refusal::TooLarge),
        }
    }

    pub(super) async fn ask(&self, script: &Script, arguments: &[String]) -> Result<Asked, Error> {
        for _ in 0..TRIES {
            let known = self.known().main;
            let main = match known {
                Some(main) => main,
                None => match self.connection.number(&self.keys.main).await? {
                    Some(main) => main,
                    None => return Ok(Asked::Empty),
                },
            };
            let mut call = about(script, &self.keys.main, &self.keys, main);
            call.arg(arguments);
            match Told::read(self.connection.read(&call).await?)? {
                Told::Is(mark, told) => {
                    self.set_main(Some(main));
                    return Ok(Asked::Is(mark, told));
                }
                Told::Empty => return Ok(Asked::Empty),
                Told::Large => return Ok(Asked::Large),
                Told::Moved => self.set_main(None),
            }
        }
        Err(Error::Away("its main generation is replaced again and again".to_owned()))
    }

    /// Whether it may be read as it is. One that was filled again may be further back than before, because its log was set back; one that was not
    /// is an older copy of itself.
    fn judge(&self, known: Option<Seen>, mark: Mark) -> Result<(), NotReady> {
        let Stored { log, position, state, .. } = mark.stored;
        if state == State::Building {
            return Err(NotReady(format!("the store is being filled and is at f{position}")));
        }
        let now = Seen { log, filled: mark.filled, position };
        if known.is_some_and(|known| known.is_newer(now)) {
            return Err(NotReady(format!("the store is at f{position}, which is older than what was answered before")));
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.seen.is_some_and(|seen| seen.is_newer(now)) {
            known.seen = Some(now);
        }
        Ok(())
    }

    fn known(&self) -> Known {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_main(&self, main: Option<u64>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).main = main;
    }
}

impl Awaited for Source {
    type Progress = Mark;
    type Error = NotReady;

    async fn ask(&self) -> Said<Self> {
        self.ready().await
    }

    fn crowded() -> NotReady {
        NotReady("too many questions wait already".to_owned())
    }
}

impl Seen {
    fn is_newer(&self, other: Self) -> bool {
        self.log == other.log && self.filled >= other.filled && self.position > other.position
    }
}

pub(super) fn away(error: Error) -> NotReady {
    NotReady(error.to_string())
}
