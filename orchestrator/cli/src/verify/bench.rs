//! What a rule works with: cases of its own, requests as an orchestrator would send them, and the promises they are held to.
//!
//! **It must never know** a rule, or how a report looks.

use std::{
    fmt::Debug,
    sync::{Mutex, PoisonError},
};

use amends_protocol::participant::{CallHeaders, CallbackToken, Op};
use anyhow::Context as _;
use reqwest::{
    Client, Method, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
    redirect::Policy,
};
use serde_json::Value;
use uuid::Uuid;

pub(super) use super::heard::Heard;
use super::{
    callbacks::Orchestrator,
    heard::{SHOWN_CHARS, hear},
    profile::{Filled, Profile},
    report::Exchange,
};
use crate::{exit::Usage, style::tame};

/// So many exchanges of a case are kept, the latest.
const EXCHANGES: usize = 12;
/// As a definition would be called.
const SAGA_NAME: &str = "verify-participant";

/// Why a rule was not found to be kept.
#[derive(Debug)]
pub(crate) enum Stop {
    Broken { what: String, expected: String, found: String },
    NotTested(String),
}

pub(crate) type Checked<T = ()> = Result<T, Stop>;

/// `found` must be `expected`.
pub(crate) fn promise<T: Debug + PartialEq>(what: &str, found: &T, expected: &T) -> Checked {
    if found == expected {
        return Ok(());
    }
    Err(broken(what, format!("{expected:?}"), format!("{found:?}")))
}

pub(crate) fn broken(what: &str, expected: impl Into<String>, found: impl Into<String>) -> Stop {
    Stop::Broken { what: what.to_owned(), expected: expected.into(), found: found.into() }
}

pub(crate) fn not_tested<T>(why: &str) -> Checked<T> {
    Err(Stop::NotTested(why.to_owned()))
}

/// A service under test.
pub(crate) struct Bench {
    pub(crate) profile: Profile,
    /// How often what races is repeated.
    pub(crate) rounds: u32,
    /// Somebody to call back, if the profile says so.
    pub(crate) orchestrator: Option<Orchestrator>,
    http: Client,
    base: String,
    /// Of the case that was begun last.
    exchanges: Mutex<Vec<Exchange>>,
}

/// One saga's one call against the service, prepared. Cases share nothing.
pub(crate) struct Case<'b> {
    bench: &'b Bench,
    pub(crate) saga: Uuid,
}

/// One attempt of a call.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    request: Filled,
    headers: CallHeaders,
}

/// What can be seen of an action; `None`: the profile does not say where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen(pub(crate) Option<Value>);

impl Bench {
    /// # Errors
    /// The address is none, or no requests can be made from here.
    pub(crate) fn new(
        url: &str,
        profile: Profile,
        rounds: u32,
        orchestrator: Option<Orchestrator>,
    ) -> anyhow::Result<Self> {
        let bad =
            |why: &str| Usage(format!("`{url}` is no service's address: {why}; write e.g. http://127.0.0.1:7103"));
        let parsed = Url::parse(url).map_err(|error| bad(&error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(bad("http or https, and no query").into());
        }
        let http = Client::builder()
            .timeout(profile.timeout)
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .context("no requests can be made from here")?;
        let base = url.trim_end_matches('/').to_owned();
        Ok(Self { profile, rounds, orchestrator, http, base, exchanges: Mutex::default() })
    }

    /// A fresh saga, with the ground prepared for it.
    pub(crate) async fn case(&self) -> Checked<Case<'_>> {
        self.begin();
        let case = Case { bench: self, saga: Uuid::now_v7() };
        for call in &self.profile.prepare {
            case.outside("prepare", call.fill(case.saga)).await?;
        }
        Ok(case)
    }

    /// What was said since the last case began.
    pub(crate) fn take_exchanges(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.exchanges.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets what was said before.
    pub(crate) fn begin(&self) {
        drop(self.take_exchanges());
    }

    /// A request that belongs to no saga.
    pub(crate) async fn plain(&self, method: Method, path: &str, body: Option<(&str, String)>) -> Checked<Heard> {
        let mut headers = HeaderMap::new();
        let (content_type, body) = body.map_or((None, None), |(kind, body)| (Some(kind.to_owned()), Some(body)));
        if let Some(kind) = content_type.and_then(|kind| HeaderValue::try_from(kind).ok()) {
            headers.insert(CONTENT_TYPE, kind);
        }
        let filled = Filled { method, path: path.to_owned(), body };
        self.send(filled, headers, String::new()).await.map_err(unanswered)
    }

    async fn send(&self, request: Filled, own: HeaderMap, told: String) -> Result<Heard, String> {
        let Filled { method, path, body } = request;
        let shown = tame(body.as_deref().unwrap_or_default(), SHOWN_CHARS);
        let sent = format!("{method} {path}{told}{}{shown}", if shown.is_empty() { "" } else { "\n" });
        let mut headers = self.profile.headers.clone();
        headers.extend(own);
        let mut request = self.http.request(method, format!("{}{path}", self.base)).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let heard = hear(request).await;
        let came = match &heard {
            Ok(heard) => heard.told(),
            Err(error) => error.clone(),
        };
        let mut exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        if exchanges.len() == EXCHANGES {
            exchanges.remove(0);
        }
        exchanges.push(Exchange { sent, came });
        heard
    }
}

impl Case<'_> {
    pub(crate) fn action(&self) -> Checked<Attempt> {
        self.attempt(Op::Action, self.bench.profile.action.fill(self.saga))
    }

    pub(crate) fn compensation(&self) -> Checked<Attempt> {
        self.attempt(Op::Compensate, self.bench.profile.compensate.fill(self.saga))
    }

    /// The action with other bytes under the same key.
    pub(crate) fn other_action(&self) -> Checked<Attempt> {
        match self.bench.profile.action.fill_other(self.saga) {
            Ok(Some(request)) => self.attempt(Op::Action, Ok(request)),
            Ok(None) => not_tested("the action has no body to change; say `action.other_body`"),
            Err(why) => Err(unfilled(why)),
        }
    }

    /// The action that is rejected.
    pub(crate) fn rejected(&self) -> Checked<Attempt> {
        match &self.bench.profile.reject {
            Some(reject) => self.attempt(Op::Action, reject.fill(self.saga)),
            None => not_tested("the profile has no `reject`: an action that the service says no to"),
        }
    }

    /// From now on the rejected action would be accepted.
    pub(crate) async fn allow(&self) -> Checked {
        let allow = self.bench.profile.reject.as_ref().map_or(&[][..], |reject| &reject.allow);
        if allow.is_empty() {
            return not_tested("the profile has no `reject.allow`: what makes the rejected action acceptable");
        }
        for call in allow {
            self.outside("reject.allow", call.fill(self.saga)).await?;
        }
        Ok(())
    }

    pub(crate) fn probe(&self) -> Checked<Attempt> {
        match &self.bench.profile.probe {
            Some(target) => self.attempt(Op::Probe, target.fill(None, self.saga)),
            None => not_tested("the profile has no `probe`"),
        }
    }

    fn attempt(&self, op: Op, request: Result<Filled, String>) -> Checked<Attempt> {
        let headers = CallHeaders {
            saga: self.saga,
            name: SAGA_NAME.to_owned(),
            step: self.bench.profile.step.clone(),
            index: None,
            op,
            attempt: 1,
            epoch: 1,
            deadline: None,
            traceparent: None,
            callback: None,
        };
        Ok(Attempt { request: request.map_err(unfilled)?, headers })
    }

    /// The answer, whole.
    pub(crate) async fn send(&self, attempt: &Attempt) -> Checked<Heard> {
        self.try_send(attempt).await.map_err(unanswered)
    }

    /// The same; no answer is one, too.
    pub(crate) async fn try_send(&self, attempt: &Attempt) -> Result<Heard, String> {
        let mut headers = HeaderMap::new();
        attempt.headers.write(&mut headers).map_err(|error| error.to_string())?;
        if attempt.request.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let CallHeaders { op, attempt: number, epoch, .. } = attempt.headers;
        let token = if attempt.headers.callback.is_some() { ", with Saga-Callback" } else { "" };
        let told =
            format!("   key \"{}\", op {}, attempt {number}, epoch {epoch}{token}", attempt.headers.key(), op.as_str());
        self.bench.send(attempt.request.clone(), headers, told).await
    }

    /// A request of the profile that is no call of a saga: it must succeed, or nothing can be said.
    async fn outside(&self, what: &str, request: Result<Filled, String>) -> Checked {
        let mut headers = HeaderMap::new();
        let request = request.map_err(unfilled)?;
        if request.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let heard = self.bench.send(request, headers, format!("   ({what})")).await.map_err(unanswered)?;
        if heard.is_success() {
            return Ok(());
        }
        Err(broken(&format!("answer to `{what}` of the profile"), "2xx", heard.told()))
    }

    /// What can be seen of the action now.
    pub(crate) async fn see(&self) -> Checked<Seen> {
        let Some(effect) = &self.bench.profile.effect else { return Ok(Seen(None)) };
        let request = effect.call.fill(None, self.saga).map_err(unfilled)?;
        let heard = self.bench.send(request, HeaderMap::new(), "   (effect)".to_owned()).await.map_err(unanswered)?;
        if heard.status == 404 {
            return Ok(Seen(Some(Value::Null)));
        }
        let json = serde_json::from_slice::<Value>(&heard.body).ok().filter(|_| heard.is_success());
        let value = json.as_ref().and_then(|json| json.pointer(&effect.value)).cloned();
        match value {
            None => {
                Err(broken("answer to `effect` of the profile", format!("JSON with {}", effect.value), heard.told()))
            }
            Some(Value::Object(_) | Value::Array(_)) => {
                Err(broken("value of `effect`", "a number, a text, true, false or null", heard.told()))
            }
            value => Ok(Seen(value)),
        }
    }

    /// The same, for rules about nothing else.
    pub(crate) async fn must_see(&self) -> Checked<Seen> {
        match self.see().await? {
            Seen(None) => not_tested("the profile has no `effect`: where to see what the action did"),
            seen => Ok(seen),
        }
    }

    /// Sends until the answer is a definite one, as an orchestrator does.
    pub(crate) async fn until_definite(&self, attempt: &Attempt) -> Checked<Heard> {
        let mut last = String::new();
        for number in attempt.headers.attempt..attempt.headers.attempt + 10 {
            match self.try_send(&attempt.clone().number(number)).await {
                Ok(heard) if heard.is_definite() => return Ok(heard),
                Ok(heard) => last = heard.told(),
                Err(error) => last = error,
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        Err(broken("answer to a call that is repeated", "a definite one within ten attempts", last))
    }
}

impl Attempt {
    #[must_use]
    pub(crate) fn number(mut self, attempt: u32) -> Self {
        self.headers.attempt = attempt;
        self
    }

    #[must_use]
    pub(crate) fn epoch(mut self, epoch: u64) -> Self {
        self.headers.epoch = epoch;
        self
    }

    /// It may be accepted and called back with this token.
    #[must_use]
    pub(crate) fn later(mut self, token: &str) -> Self {
        self.headers.callback = CallbackToken::new(token);
        self
    }

    /// What the ack must say.
    pub(crate) fn key(&self) -> String {
        self.headers.key()
    }
}

fn unanswered(error: String) -> Stop {
    broken("answer", "a whole one", error)
}

fn unfilled(why: String) -> Stop {
    broken("request of the profile", "one that can be filled", why)
}
