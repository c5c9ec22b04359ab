//! Who may come in: whoever brings the token of `api.token`, or the secret of a named token, as a bearer token. The commands of whoever has a
//! named token are signed with it, so that the decider lets them do what it is for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use loki_domain::{PublicKey, TokenName, Use, Uses};
use loki_mysql::port::{DeployReader, Page, ReadError};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, Secret};
use loki_wire::Envelope;
use loki_wire::envelope::ANONYMOUS;
use loki_wire::signature;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::console;
use crate::problem::{Problem, Result};

/// For how long a token that was there counts as there, and one that was not as missing.
const THERE_FOR: Duration = Duration::from_secs(5);
const MISSING_FOR: Duration = Duration::from_millis(500);
/// A command that is signed here has to be decided within this time.
const SIGNED_FOR_MS: i64 = 10 * 60 * 1_000;

pub(crate) struct Doors {
    /// Empty: everybody may come in.
    token: Secret,
    deploys: Arc<dyn DeployReader>,
    clock: Clock,
    /// One at a time reads them; the others wait for it.
    known: Mutex<Known>,
}

/// The named tokens, as they were when they were read last.
#[derive(Default)]
struct Known {
    read: Option<Stopwatch>,
    by_key: BTreeMap<PublicKey, Named>,
}

#[derive(Clone)]
struct Named {
    name: TokenName,
    uses: Uses,
    expires_ms: Option<i64>,
}

/// Who comes.
pub(crate) enum Seen {
    Welcome,
    /// With the secret of a named token, if there is one that has it.
    Named(signature::Secret),
    Refused(Response),
}

/// A named token that a request came with.
#[derive(Clone)]
pub(crate) struct Signer {
    name: TokenName,
    uses: Uses,
    secret: signature::Secret,
}

impl Doors {
    pub(crate) fn new(token: Secret, deploys: Arc<dyn DeployReader>, clock: Clock) -> Self {
        Self { token, deploys, clock, known: Mutex::default() }
    }

    /// Who comes with a request, as far as can be seen at once. Who may not come in is answered with a form that asks for the token where a browser
    /// opens the page, else with a problem.
    pub(crate) fn look(&self, request: &Request) -> Seen {
        let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
        if !self.token.is_empty() && given.is_some_and(|given| same(given, self.token.expose())) {
            return Seen::Welcome;
        }
        match given.and_then(|given| given.parse().ok()) {
            Some(secret) => Seen::Named(secret),
            None if self.token.is_empty() => Seen::Welcome,
            None if console::is_opened_by(request) => Seen::Refused(challenged(console::sign_in())),
            None => {
                let fix = "send `Authorization: Bearer <token>` with the token of `api.token`, or the secret of a named token";
                Seen::Refused(unauthorized(fix))
            }
        }
    }

    /// The named token of this secret, or the answer to who has none.
    pub(crate) async fn named(&self, secret: signature::Secret) -> std::result::Result<Signer, Response> {
        match self.token_of(&secret).await {
            Ok(Some(Named { name, uses, .. })) => Ok(Signer { name, uses, secret }),
            Ok(None) => {
                let fix = "no token has this secret, or it has expired: `loki admin token list` names those that there are";
                Err(unauthorized(fix))
            }
            Err(problem) => Err(problem.into_response()),
        }
    }

    async fn token_of(&self, secret: &signature::Secret) -> Result<Option<Named>> {
        let key = secret.public();
        let mut known = self.known.lock().await;
        let age = known.read.as_ref().map(Stopwatch::elapsed);
        let good_for = if known.by_key.contains_key(&key) { THERE_FOR } else { MISSING_FOR };
        if age.is_none_or(|age| age > good_for) {
            *known = Known { by_key: self.read().await?, read: Some(Stopwatch::start()) };
        }
        let now_ms = self.clock.now_ms();
        let named = known.by_key.get(&key).filter(|named| named.expires_ms.is_none_or(|expires_ms| now_ms < expires_ms));
        Ok(named.cloned())
    }

    async fn read(&self) -> std::result::Result<BTreeMap<PublicKey, Named>, ReadError> {
        let mut page = Page::first(Page::LIMIT_MAX);
        let mut by_key = BTreeMap::new();
        loop {
            let part = self.deploys.tokens(&page, None).await?.value;
            by_key.extend(part.items.into_iter().map(|view| {
                let token = view.token;
                (token.key, Named { name: token.name, uses: token.uses, expires_ms: token.expires_ms })
            }));
            match part.next {
                Some(next) => page.cursor = Some(next),
                None => return Ok(by_key),
            }
        }
    }
}

impl Signer {
    /// What such a token is for.
    pub(crate) fn check(&self, wanted: Use) -> Result<()> {
        match self.uses.has(wanted) {
            true => Ok(()),
            false => {
                let detail = format!("the token `{}` is not for `{wanted}`: send one that is, see `loki admin token list`", self.name);
                Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
            }
        }
    }

    /// Signs a command, unless its sender has signed it. One that names no actor is the token's.
    pub(crate) fn sign(&self, envelope: &mut Envelope, now_ms: i64) -> Result<()> {
        if envelope.signature.is_some() || envelope.keyid.is_some() {
            return Ok(());
        }
        if envelope.actor == ANONYMOUS {
            self.name.as_str().clone_into(&mut envelope.actor);
        }
        envelope.expires_ms.get_or_insert(now_ms + SIGNED_FOR_MS);
        Ok(self.secret.sign_command(&self.name, envelope)?)
    }
}

fn unauthorized(fix: &str) -> Response {
    challenged(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", fix).into_response())
}

fn challenged(mut response: Response) -> Response {
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// The token after the scheme, whose case does not matter (RFC 9110, section 11.1).
fn bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Compares digests, so that the time taken tells nothing about the token.
fn same(given: &str, token: &str) -> bool {
    Sha256::digest(given) == Sha256::digest(token)
}
