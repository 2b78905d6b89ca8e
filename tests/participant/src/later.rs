//! Actions that are accepted now and decided later: which, when and how, it is told, at its start and again at any time.
//!
//! **What it must never know:** whether a verdict came in time. It says what it was told to say, until somebody has heard it.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, RwLock},
    time::Duration,
};

use amends_barrier::{
    Barrier, Broken, Call, Place, Problem, Verdict,
    due::{Due, Told},
};
use axum::{
    Extension, Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use reqwest::{Client, redirect::Policy};
use serde::Deserialize;
use serde_json::Value;

/// For one callback; an orchestrator that is slower is asked again.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Verdicts that nobody has heard yet are told again.
const CALL_BACK_EVERY: Duration = Duration::from_millis(50);
/// More than are ever told at once.
const ALL: u32 = 10_000;

/// What becomes of the actions of a step, if they may be called back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Later {
    when: When,
    #[serde(default)]
    verdict: Said,
}

/// When it is decided.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum When {
    /// And told, before the 202 leaves.
    Early,
    AfterMs(u64),
    Never,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Done(Value),
    Refused(String),
}

impl Default for Said {
    fn default() -> Self {
        Self::Done(Value::Object(serde_json::Map::new()))
    }
}

/// Step → what becomes of it. Steps without one are answered at once.
pub(crate) type Plan = BTreeMap<String, Later>;

/// The plan in force, and who is told. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Deciding {
    plan: Arc<RwLock<Plan>>,
    caller: Arc<Caller>,
}

struct Caller {
    http: Client,
    callbacks: String,
}

impl Deciding {
    pub(crate) fn new(plan: Plan, orchestrator: &str) -> anyhow::Result<Self> {
        let http = Client::builder().timeout(TIMEOUT).redirect(Policy::none()).no_proxy().build()?;
        let callbacks = format!("{}/v1/callbacks", orchestrator.trim_end_matches('/'));
        Ok(Self { plan: Arc::new(RwLock::new(plan)), caller: Arc::new(Caller { http, callbacks }) })
    }

    /// What becomes of this call; `None`: it is answered at once.
    pub(crate) fn of(&self, call: &Call) -> Option<Later> {
        let plan = self.plan.read().expect("invariant: nobody panics under this lock");
        plan.get(&call.headers().step).filter(|_| call.may_be_accepted()).cloned()
    }

    /// It was accepted: decides it when it is due, and tells it. What is told early is told when this returns.
    pub(crate) async fn decide(&self, barrier: &Barrier, action: Place, later: Later) -> Result<(), Broken> {
        match later.when {
            When::Never => Ok(()),
            When::Early => {
                complete(barrier, action.clone(), later.verdict).await?;
                self.tell_of(barrier, &action).await
            }
            When::AfterMs(wait_ms) => {
                let barrier = barrier.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                    if let Err(error) = complete(&barrier, action, later.verdict).await {
                        eprintln!("what was accepted cannot be decided: {error}");
                    }
                });
                Ok(())
            }
        }
    }

    /// One try, now; [`Deciding::keep_telling`] has more.
    async fn tell_of(&self, barrier: &Barrier, action: &Place) -> Result<(), Broken> {
        let due = barrier.due_callbacks(ALL).await?.into_iter().find(|due| due.action == *action);
        if let Some(due) = due
            && self.caller.tell(due).await == Told::Heard
        {
            barrier.heard(action.clone()).await?;
        }
        Ok(())
    }

    pub(crate) async fn keep_telling(&self, barrier: &Barrier) -> Infallible {
        barrier.keep_calling_back(CALL_BACK_EVERY, |due| self.caller.tell(due)).await
    }
}

impl Caller {
    async fn tell(&self, due: Due) -> Told {
        let Ok((name, value)) = due.header() else { return Told::Heard };
        let answer = self.http.post(&self.callbacks).header(name, value).json(&due.verdict).send().await;
        answer.map_or(Told::Perhaps, |answer| Told::of(answer.status()))
    }
}

/// Whoever was first has decided: a second copy of the call changes nothing.
async fn complete(barrier: &Barrier, action: Place, verdict: Said) -> Result<(), Broken> {
    let verdict = match verdict {
        Said::Done(body) => Verdict::created(&body),
        Said::Refused(reason) => Problem::conflict("declined", reason).refuse(),
    };
    barrier.complete(action, move |_, _| Box::pin(async move { Ok(verdict) })).await.map(drop)
}

/// `PUT /later`: from now on this is the plan.
pub(crate) async fn set(Extension(deciding): Extension<Deciding>, Json(plan): Json<Plan>) -> Response {
    *deciding.plan.write().expect("invariant: nobody panics under this lock") = plan;
    StatusCode::NO_CONTENT.into_response()
}
