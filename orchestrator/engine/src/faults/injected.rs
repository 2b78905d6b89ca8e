//! Each fault, brought about.
//!
//! **It must never know** why this attempt was picked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use amends_core::{
    Answer, Reply,
    faults::{Again, Fault, Point},
};
use amends_protocol::participant::Op;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Unreliable;
use crate::{Participant, Request};

/// Copies that are kept for later; beyond them none is added, so that a long run does not fill the memory.
const KEPT: usize = 10_000;

pub(super) async fn inject(unreliable: &Unreliable, fault: Fault, request: Request) -> Reply {
    let services = &unreliable.services;
    match fault {
        Fault::Delay(delay) => delayed(services.clone(), delay, request).await,
        Fault::Refuse => Reply::NotSent { reason: "fault injected: the connection was refused".to_owned() },
        Fault::LoseRequest => Reply::Lost { reason: "fault injected: the request was lost".to_owned() },
        Fault::Reject(status) => answer(status, true),
        Fault::Fail(status) => answer(status, false),
        Fault::LoseReply => {
            unless_not_sent(services.call(request).await, |_| lost("fault injected: the reply was lost"))
        }
        Fault::Cut => unless_not_sent(services.call(request).await, |_| {
            lost("fault injected: the connection broke in the middle of the answer")
        }),
        Fault::Status(status) => unless_not_sent(services.call(request).await, |_| answer(status, false)),
        Fault::Body(body) => unless_not_sent(services.call(request).await, |answer| {
            let body = match body {
                serde_json::Value::String(text) => text.into_bytes(),
                json => json.to_string().into_bytes(),
            };
            Reply::Answered(Answer { body, ..answer })
        }),
        Fault::Duplicate(times) => {
            for _ in 0..times {
                unreliable.faults.replays.now(services.clone(), request.clone());
            }
            services.call(request).await
        }
        Fault::Replay(again) => {
            let copy = request.clone();
            let reply = services.call(request).await;
            unreliable.faults.replays.keep(services, again, copy);
            reply
        }
        Fault::Abort(Point::BeforeSend) => die("its intent is durable, and nothing was sent"),
        Fault::Abort(Point::BeforeIntent | Point::BeforeCommit | Point::AfterCommit) => {
            unreachable!("invariant: a rule about commits is not asked when a call is made")
        }
        Fault::Abort(Point::AfterSend) => {
            services.call(request).await;
            die("the service has answered, and nothing was written of it")
        }
    }
}

/// It arrives even if its caller has given up: as from a queue on the way.
async fn delayed(services: Arc<dyn Participant>, delay: Duration, request: Request) -> Reply {
    let patience = request.timeout;
    let late = tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        services.call(request).await
    });
    match tokio::time::timeout(patience, late).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => lost("the delayed call panicked"),
        Err(_) => lost("fault injected: no answer within the timeout, and the request is still on its way"),
    }
}

/// What never reached the service was not done there.
fn unless_not_sent(reply: Reply, then: impl FnOnce(Answer) -> Reply) -> Reply {
    match reply {
        Reply::Answered(answer) => then(answer),
        not_sent_or_lost => not_sent_or_lost,
    }
}

fn answer(status: u16, acked: bool) -> Reply {
    let body = format!("{{\"title\":\"fault injected\",\"status\":{status},\"detail\":\"fault injected\"}}");
    Reply::Answered(Answer { status, acked, body: body.into_bytes(), ..Answer::default() })
}

fn lost(reason: &str) -> Reply {
    Reply::Lost { reason: reason.to_owned() }
}

pub(super) fn die(when: &str) -> ! {
    tracing::error!(when, "fault injected: this process dies");
    std::process::abort()
}

/// Copies that come later.
#[derive(Default)]
pub(super) struct Replays {
    /// By the key of the compensation after which they come.
    waiting: Mutex<BTreeMap<String, Vec<Request>>>,
    cleared: Mutex<CancellationToken>,
    under_way: TaskTracker,
}

impl Replays {
    /// What was to come after this compensation comes now: it has been answered.
    pub(super) fn send_after(&self, compensation: &str, services: &Arc<dyn Participant>) {
        let copies = self.waiting().remove(compensation).unwrap_or_default();
        copies.into_iter().for_each(|copy| self.now(services.clone(), copy));
    }

    pub(super) fn clear(&self) {
        self.waiting().clear();
        let before = std::mem::take(&mut *self.cleared.lock().unwrap_or_else(PoisonError::into_inner));
        before.cancel();
    }

    fn now(&self, services: Arc<dyn Participant>, copy: Request) {
        self.later(services, Duration::ZERO, copy);
    }

    fn later(&self, services: Arc<dyn Participant>, after: Duration, copy: Request) {
        if self.under_way.len() >= KEPT {
            return;
        }
        let cleared = self.cleared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.under_way.spawn(cleared.run_until_cancelled_owned(async move {
            tokio::time::sleep(after).await;
            // Nobody hears the answer to a copy.
            drop(services.call(copy).await);
        }));
    }

    fn keep(&self, services: &Arc<dyn Participant>, again: Again, copy: Request) {
        match again {
            Again::After(after) => self.later(services.clone(), after, copy),
            Again::AfterCompensation => {
                let mut headers = copy.headers.clone();
                headers.op = Op::Compensate;
                let mut waiting = self.waiting();
                if waiting.len() < KEPT {
                    waiting.entry(headers.key()).or_default().push(copy);
                }
            }
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<Request>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
