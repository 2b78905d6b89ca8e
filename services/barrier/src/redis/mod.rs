//! The barrier on Redis: one script for each thing that may be asked, which carries the barrier's rows and the business change in
//! one step. Redis runs one script at a time, so there is nothing to lock.
//!
//! Durable only with an append-only file that is synced before each answer, and only if nothing is evicted: `open` refuses a
//! server that is set otherwise. The commands of one script are one entry of that file, so that a crash leaves all of them or none.
//!
//! All keys begin with `{prefix}:`, so they lie in one slot of a cluster, and one user of the server can be held to them.
//!
//! **What it must never know:** keys of the service. Its functions are Lua, given to [`open`]; `barrier.lua` says how they look.

mod ask;
mod forget;
mod open;
mod reads;

use std::sync::Arc;

use ::redis::aio::ConnectionManager;
use amends_protocol::participant::{Op, Refused};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use self::ask::{Ask, Script};
pub use self::{open::open, reads::Reader};
use crate::{
    Broken,
    call::{Call, Place},
    clock::{Clock, now_us},
    due::Completion,
    fault::Faults,
    in_task,
    reply::{Answer, Problem, Reply},
    rules,
};

/// A service's store with the guard in front of it. Cheap to clone; the axum state of a service.
#[derive(Clone)]
pub struct Barrier {
    connection: ConnectionManager,
    script: Arc<Script>,
    prefix: Arc<str>,
    fingerprint: Arc<str>,
    faults: Faults,
    clock: Clock,
    forget_grace: std::time::Duration,
}

impl std::fmt::Debug for Barrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Barrier").field("prefix", &self.prefix).field("fingerprint", &self.fingerprint).finish()
    }
}

impl Barrier {
    /// The same store with something going wrong in it.
    #[must_use]
    pub fn with_faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    /// With a clock that a test moves.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// How long rows stay after their saga was named as ended. It is counted from the stored mark, so it may change.
    #[must_use]
    pub fn with_forget_grace(self, forget_grace: std::time::Duration) -> Self {
        Self { forget_grace, ..self }
    }

    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Judges an action. `prepare` makes the argument of the business function out of the body, or refuses it; what depends
    /// on the store is the function's, which runs at most once for each key that ends well.
    pub async fn action<B, A: Serialize>(
        &self,
        call: Call,
        business: &'static str,
        prepare: impl FnOnce(B) -> Result<A, Problem>,
    ) -> Response
    where
        B: DeserializeOwned,
    {
        if let Err(problem) = call.expect_op(Op::Action) {
            return problem.into_response();
        }
        let prepared = call.json().and_then(prepare);
        let token = call.headers().callback.as_ref().map(|token| token.expose().to_owned());
        let change = match prepared {
            Ok(argument) => json!({ "business": business, "argument": argument, "token": token }),
            Err(problem) => json!({ "refusal": stored("rejected", &Reply::from(problem)) }),
        };
        self.judge(call, "action", change).await
    }

    /// Judges a compensation. The business function gets the argument and the action's row (`status`, `body`), and takes its
    /// change back; it is called only if the action was done or accepted. A refusal stores nothing and may be asked again.
    pub async fn compensate(&self, call: Call, business: &'static str, argument: impl Serialize) -> Response {
        if let Err(problem) = call.expect_op(Op::Compensate) {
            return problem.into_response();
        }
        let null_reply = stored("done", &rules::null_reply());
        let change = json!({ "business": business, "argument": argument, "null_reply": null_reply });
        self.judge(call, "compensate", change).await
    }

    /// Finishes an action that was accepted with a 202. The business function gets the argument and the 202's row. What is
    /// said of `complete` in [`crate::sql`] holds here.
    ///
    /// # Errors
    /// [`Broken`]: nothing was done.
    pub async fn complete(
        &self,
        action: Place,
        business: &'static str,
        argument: impl Serialize,
    ) -> Result<Completion, Broken> {
        let change = json!({ "business": business, "argument": argument });
        let ask = self.ask("complete", Some(&action)).with(change);
        let barrier = self.clone();
        in_task(async move {
            let answered = barrier.run::<Answered>(ask).await?;
            barrier.faults.before_commit().await;
            match answered.0.as_str() {
                "completed" => Ok(Completion::Completed(reply(answered)?)),
                "already completed" => Ok(Completion::AlreadyCompleted(reply(answered)?)),
                "compensated" => Ok(Completion::Compensated),
                _ => Ok(Completion::NeverAccepted),
            }
        })
        .await
    }

    /// Writes that belong to no call: seeding, administration. The business function's answer is given back.
    ///
    /// # Errors
    /// [`Broken`]: nothing was done.
    pub async fn unguarded(&self, business: &'static str, argument: impl Serialize) -> Result<Reply, Broken> {
        let ask = self.ask("unguarded", None).with(json!({ "business": business, "argument": argument }));
        reply(self.run(ask).await?)
    }

    pub(crate) async fn probe(&self, action: Place) -> Result<Reply, Broken> {
        let answered = self.run::<Answered>(self.ask("probe", Some(&action))).await?;
        if answered.0 == "definite" { reply(answered) } else { Ok(rules::not_applied()) }
    }

    async fn judge(&self, call: Call, what: &'static str, change: Value) -> Response {
        let barrier = self.clone();
        let judging = in_task(async move {
            barrier.faults.before_begin();
            let headers = call.headers();
            let attempt = json!({
                "epoch": headers.epoch.to_string(),
                "attempt": headers.attempt,
                "digest": call.digest().iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            });
            let ask = barrier.ask(what, Some(&call.place())).with(attempt).with(change);
            let answered = barrier.run::<Answered>(ask).await?;
            let (key, fresh) = (call.key(), answered.3 == 1);
            let answer = match answered.0.as_str() {
                "definite" => Answer::Definite { key, reply: reply(answered)? },
                "tombstone" => Answer::Definite { key, reply: rules::already_compensated() },
                "stale-epoch" => Answer::Refused(Refused::StaleEpoch),
                "other-body" => Answer::Refused(Refused::OtherBody),
                other => return Err(Broken::Corrupt(format!("the script answered {other}"))),
            };
            if fresh {
                barrier.faults.before_commit().await;
                barrier.faults.after_commit(&call);
            }
            Ok(answer)
        });
        judging.await.map_or_else(IntoResponse::into_response, IntoResponse::into_response)
    }

    fn ask(&self, ask: &'static str, place: Option<&Place>) -> Ask {
        Ask::new(ask, &self.prefix, place, self.faults.off(), now_us())
    }

    async fn run<T: ::redis::FromRedisValue>(&self, ask: Ask) -> Result<T, Broken> {
        self.script.run(self.connection.clone(), ask).await
    }
}

/// A reply as the script keeps it.
fn stored(state: &'static str, reply: &Reply) -> Value {
    json!({ "state": state, "status": reply.status().as_u16(), "body": String::from_utf8_lossy(reply.body()) })
}

/// A word, status and body of a reply, and whether something was decided.
type Answered = (String, u16, Vec<u8>, u8);

fn reply((word, status, body, _): Answered) -> Result<Reply, Broken> {
    let status = http::StatusCode::from_u16(status).map_err(|_| Broken::Corrupt(format!("{word} with no status")))?;
    Ok(Reply::stored(status, body))
}
