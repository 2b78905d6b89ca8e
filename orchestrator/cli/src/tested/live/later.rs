//! Calls that are accepted now and called back, as a scenario says: in the place of their services, which know the orchestrator of
//! their own configuration and not this one. A service is asked to do what will be done; of what is refused in the end, or never
//! called back, it does not hear.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use amends_core::{
    Answer, Reply, Said,
    ids::ServiceName,
    scenario::{After, CalledBack, Verdict},
};
use amends_engine::{Engine, Forgotten, Participant, Request};
use amends_protocol::participant::{CallbackToken, Op};
use async_trait::async_trait;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::wire::{Log, What};

const ACCEPTED: u16 = 202;

pub(super) struct Later {
    callbacks: Vec<CalledBack>,
    log: Arc<Log>,
    next: Arc<dyn Participant>,
    engine: Mutex<Option<Engine>>,
    /// Those that are still to call back.
    under_way: Mutex<JoinSet<()>>,
    /// Calls that were accepted: each is decided once.
    accepted: Mutex<BTreeSet<String>>,
}

impl Later {
    pub(super) fn new(callbacks: &[CalledBack], log: Arc<Log>, next: Arc<dyn Participant>) -> Self {
        Self {
            callbacks: callbacks.to_vec(),
            log,
            next,
            engine: Mutex::default(),
            under_way: Mutex::default(),
            accepted: Mutex::default(),
        }
    }

    /// Whom verdicts are told, from now on.
    pub(super) fn calls_back_to(&self, engine: &Engine) {
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = Some(engine.clone());
    }

    /// Nobody is told any more: an engine that is not let go of keeps its store.
    pub(super) async fn ends(&self) {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut under_way = std::mem::take(&mut *self.under_way.lock().unwrap_or_else(PoisonError::into_inner));
        under_way.shutdown().await;
    }

    fn of(&self, request: &Request) -> Option<(CalledBack, CallbackToken)> {
        let token = request.headers.callback.clone().filter(|_| request.headers.op == Op::Action)?;
        let callback = self.callbacks.iter().find(|callback| callback.step.as_str() == request.headers.step)?;
        Some((callback.clone(), token))
    }

    /// Decides what was accepted, and tells it when its time has come.
    async fn decide(&self, request: &Request, callback: CalledBack, token: CallbackToken) {
        let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(engine) = engine else { return };
        let said = match callback.verdict {
            Verdict::Done(body) => Said::Succeeded { body: body.into() },
            Verdict::Rejected(reason) => Said::Rejected { reason },
        };
        let (log, request) = (self.log.clone(), request.clone());
        let tell = async move {
            log.write(&request, What::Decided { refused: matches!(said, Said::Rejected { .. }) });
            // Nobody wants it any more: whoever was accepted is undone.
            let _ = engine.call_back(&token, said).await;
        };
        match callback.after {
            After::Never => {}
            After::Early => tell.await,
            After::Later(after) => {
                let later = async move {
                    tokio::time::sleep(after).await;
                    tell.await;
                };
                self.under_way.lock().unwrap_or_else(PoisonError::into_inner).spawn(later);
            }
        }
    }
}

#[async_trait]
impl Participant for Later {
    async fn call(&self, request: Request) -> Reply {
        let Some((callback, token)) = self.of(&request) else { return self.next.call(request).await };
        let key = request.headers.key();
        let first = self.accepted.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        if first {
            if callback.after != After::Never && matches!(callback.verdict, Verdict::Done(_)) {
                match self.next.call(request.clone()).await {
                    Reply::Answered(answer) if (200..300).contains(&answer.status) => {}
                    other => return other,
                }
            }
            self.log.write(&request, What::Accepted);
            self.decide(&request, callback, token).await;
        }
        Reply::Answered(Answer { status: ACCEPTED, acked: true, ..Answer::default() })
    }

    async fn forget(&self, service: &ServiceName, sagas: &[Uuid]) -> Forgotten {
        self.next.forget(service, sagas).await
    }
}
