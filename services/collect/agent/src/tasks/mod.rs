//! Waits at the API for tasks of this server, has them carried out, and tells what becomes of them.
//!
//! What is to be done is in signed documents, which [`loki_executor`] checks, remembers and carries out; nothing here can make it do anything
//! else. A task goes on whether the API is there or not. Its end is told until the API has taken it; what could not be told before this process
//! ended is told by the next, as the executor remembers it. What was begun is gone on with as soon as the agent starts. What a task prints is sent
//! beside all that ([`ship`]).
//!
//! Whose tasks they are is asked by name, at start and every few minutes: a server that was registered anew has another id, and so has a machine
//! that is a copy of another, with all that lies on its disk. What was begun as the other server ends, and what only waited is left to it.

mod got;
mod listen;
mod report;
mod ship;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loki_client::client::Request;
use loki_client::{Client, Failure, Part};
use loki_domain::{Position, RunId, ServerName};
use loki_executor::{Accepted, Executor, Outcome, Refused, Step, Task};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Backoff, Clock, Secret, Shutdown, task};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::got::{Got, Item};
use self::listen::Listening;
pub use self::listen::{Bell, Bells, Ring};
use self::report::{Reporter, Said};
use self::ship::Shipping;
use crate::commands::Commands;
use crate::config::{Config, Deploys};
use crate::error::Error;
use crate::metrics;

/// Between two tries while the API is away.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// How long the API is asked to wait for something new.
const WAIT: Duration = Duration::from_secs(30);
/// An API that answers at once that nothing is new is asked not more often than this.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) struct Tasks {
    client: Client,
    commands: Commands,
    name: ServerName,
    deploys: Deploys,
    api: String,
    token: Secret,
    clock: Clock,
    part: Part,
    /// Of the server that the last process knew, then of the one that the API names.
    executor: Option<Executor>,
    /// The position of the answer that we have.
    seen: Option<String>,
    /// Absent until it is asked by name again.
    server: Option<Server>,
    /// How long an id is believed to be the one of the name.
    name_every: Duration,
    at_work: AtWork,
    working: JoinSet<()>,
    shipping: Shipping,
    bells: Option<Bells>,
}

/// What the API calls the server of this name.
struct Server {
    id: String,
    since: Stopwatch,
}

/// What the API has answered.
enum Asked {
    Tasks(Got),
    /// Since the answer before.
    NothingNew,
    /// There is no server of this name.
    NoServer,
}

/// Which attempts are being carried out, or their ends told; or their output is sent.
#[derive(Clone, Default)]
struct AtWork(Arc<Mutex<BTreeSet<(RunId, u32)>>>);

impl AtWork {
    /// Whether it was not yet.
    fn begin(&self, task: (RunId, u32)) -> bool {
        self.lock().insert(task)
    }

    fn end(&self, task: (RunId, u32)) {
        self.lock().remove(&task);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(RunId, u32)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tasks {
    pub(crate) fn new(config: &Config, deploys: Deploys, client: Client, name: ServerName, clock: Clock, part: Part) -> Self {
        Self {
            bells: None,
            commands: Commands::new(client.clone()),
            shipping: Shipping::new(client.clone()),
            client,
            name,
            deploys,
            api: config.api.clone(),
            token: config.token.clone(),
            clock,
            part,
            executor: None,
            seen: None,
            server: None,
            name_every: config.refresh,
            at_work: AtWork::default(),
            working: JoinSet::new(),
        }
    }

    /// Has a bell tell when there is something to ask for.
    pub(crate) fn with_bells(self, bells: Bells) -> Self {
        Self { bells: Some(bells), ..self }
    }

    /// Goes on until shutdown. What is at work then is left where it is, and gone on with by the next process.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<(), Error> {
        self.go_on(&shutdown).await?;
        let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        let mut listening = Listening::new(self.bells.take());
        while !shutdown.has_begun() {
            // of an id alone the API does not say whether it still is this server's
            if self.server.as_ref().is_some_and(|server| server.since.elapsed() >= self.name_every) {
                self.forget_server();
            }
            let question = self.question(&listening);
            let Some(asked) = shutdown.unless(listening.unless_it_rings(self.ask(question))).await else { break };
            let Some(asked) = asked else { continue };
            let mut least = Duration::ZERO;
            while self.working.try_join_next().is_some() {}
            let is_done = match asked {
                Ok(asked) => {
                    self.part.ready();
                    match asked {
                        Asked::Tasks(got) => self.take(got, &shutdown).await?,
                        Asked::NothingNew => true,
                        Asked::NoServer => {
                            // nothing can be told to it; it may be registered by somebody else, and never, and then has another id
                            self.forget_server();
                            false
                        }
                    }
                }
                Err(failure) => {
                    metrics::failed("tasks");
                    self.part.failed(format!("tasks of `{}` cannot be asked for: {failure}", self.name));
                    least = failure.retry_after();
                    false
                }
            };
            let pause = if is_done {
                backoff.reset();
                listening.answered();
                if let Some(executor) = &self.executor {
                    listening.to(executor.server());
                }
                PAUSE
            } else {
                backoff.step().max(least)
            };
            let waiting = async {
                task::sleep(pause).await;
                if is_done {
                    listening.wait().await;
                }
            };
            if shutdown.unless(waiting).await.is_none() {
                break;
            }
        }
        while self.working.join_next().await.is_some() {}
        self.shipping.stop().await;
        Ok(())
    }

    /// Goes on with what the process before had begun, whether the API is there or not.
    async fn go_on(&mut self, shutdown: &Shutdown) -> Result<(), Error> {
        let Some(server) = Executor::last_server(&self.deploys.root)? else { return Ok(()) };
        let server = server.to_string();
        let executor = self.open(&server, shutdown).await?;
        match executor.begun(self.clock.now_ms()) {
            Ok(begun) => {
                for task in begun {
                    tracing::info!(run.id = %task.run, attempt = task.attempt, "a task that was begun is gone on with");
                    self.work(&executor, (task.run, task.attempt), &server, Accepted::Open(task), shutdown);
                }
            }
            Err(error) => {
                // the API gives them again
                metrics::failed("tasks");
                tracing::warn!(%error, "what was begun cannot be read");
            }
        }
        Ok(())
    }

    /// Has what earlier processes left there shipped.
    async fn open(&mut self, server: &str, shutdown: &Shutdown) -> Result<Executor, Error> {
        // of one root there is one at a time
        self.shipping.stop().await;
        self.executor = None;
        let config = self.deploys.executor(server, &self.api, &self.token)?;
        let executor = self.executor.insert(Executor::open(config)?).clone();
        self.shipping.begin_left(&executor, shutdown);
        Ok(executor)
    }

    /// The next question is by name, and what was seen as one server says nothing of another.
    fn forget_server(&mut self) {
        (self.server, self.seen) = (None, None);
    }

    fn question(&self, listening: &Listening) -> Request {
        // by the id that its name has: then waiting costs nobody anything
        let name = self.server.as_ref().map_or_else(|| self.name.to_string(), |server| format!("id:{}", server.id));
        let request = self.client.request(reqwest::Method::GET, &["v1", "servers", &name, "tasks"]);
        match (listening.rings(), &self.seen) {
            (true, _) => match listening.fact() {
                Some(fact) => request.with("after", &Position::fact(fact).to_string()),
                None => request,
            },
            (false, Some(seen)) => request.with("seen", seen).waiting(WAIT),
            (false, None) => request,
        }
    }

    async fn ask(&self, question: Request) -> Result<Asked, Failure> {
        let answer = self.client.send(question).await?;
        match answer.status {
            204 => Ok(Asked::NothingNew),
            // another program's 404 is a failure
            404 if answer.has_code("not_found") => Ok(Asked::NoServer),
            _ if answer.is_success() => got::read(&answer).map(Asked::Tasks),
            _ => Err(answer.failure()),
        }
    }

    /// Whether all of it could be taken: else it is asked for again.
    async fn take(&mut self, got: Got, shutdown: &Shutdown) -> Result<bool, Error> {
        let executor = match &self.executor {
            Some(executor) if executor.server().to_string() == got.server => {
                // the name may have been another's for a while
                executor.let_begin(true);
                executor.clone()
            }
            // another server has this name: what was begun for the other ends first
            Some(executor) if !self.working.is_empty() => {
                executor.let_begin(false);
                self.forget_server();
                return Ok(false);
            }
            _ => self.open(&got.server, shutdown).await?,
        };
        let mut is_taken = true;
        for item in &got.items {
            is_taken &= self.begin(&executor, item, &got.server, shutdown);
        }
        self.seen = got.position.filter(|_| is_taken);
        self.server.get_or_insert_with(|| Server { id: got.server, since: Stopwatch::start() });
        Ok(is_taken)
    }

    /// Whether it need not be handed in again.
    fn begin(&mut self, executor: &Executor, item: &Item, server: &str, shutdown: &Shutdown) -> bool {
        match executor.accept(&item.document, &item.signature, self.clock.now_ms()) {
            Ok(accepted) => {
                if let Some(id) = item.id() {
                    self.work(executor, id, server, accepted, shutdown);
                }
                true
            }
            Err(refused) => {
                metrics::task_refused(refused.code());
                tracing::warn!(reason = refused.code(), error = %refused, "a task is refused");
                !matches!(refused, Refused::Journal { .. })
            }
        }
    }

    /// Carries it out beside all others, unless that is done already.
    fn work(&mut self, executor: &Executor, id: (RunId, u32), server: &str, accepted: Accepted, shutdown: &Shutdown) {
        if !self.at_work.begin(id) {
            return;
        }
        let (running, has_ended) = watch::channel(());
        self.shipping.begin(executor, id, has_ended, shutdown);
        let reporter = Reporter::new(self.commands.clone(), server.to_owned(), id);
        let (executor, at_work, shutdown) = (executor.clone(), self.at_work.clone(), shutdown.clone());
        self.working.spawn(async move {
            let outcome = match accepted {
                Accepted::Open(task) => carry_out(&executor, &task, &reporter, &shutdown).await,
                Accepted::Ended(outcome) => Some(outcome),
            };
            // the rest of what it printed is sent beside its end
            drop(running);
            if let Some(outcome) = outcome {
                reporter.ended(&outcome, &shutdown).await;
            }
            at_work.end(id);
        });
    }
}

/// `None` when shutdown came first.
async fn carry_out(executor: &Executor, task: &Task, reporter: &Reporter, shutdown: &Shutdown) -> Option<Outcome> {
    let (said, heard) = watch::channel(None);
    let told = move |step: Step, why: Option<&str>| {
        // what has failed is what there is to tell until the end: not that the host goes back
        if step != Step::Back {
            said.send_replace(Some(Said { step, why: why.map(str::to_owned) }));
        }
    };
    // steps are told as long as it is carried out, and not after its end
    tokio::select! {
        outcome = executor.carry_out(task, told, shutdown) => outcome,
        () = reporter.follow(heard, shutdown) => None,
    }
}
