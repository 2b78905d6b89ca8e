//! Failure injection: what a plan says of an attempt, brought about at the door to the services.
//!
//! Why it exists: a staging server should show what its sagas do when a reply is lost, before a customer does. It is a
//! [`Participant`] around another one, and a look at what is handed to the store (`commits`); there only in a process that was
//! started for it.
//!
//! Who calls it: the engine, as any participant; `api`, which sets plans and tells what they did.
//!
//! **What it must never know:** what an outcome means. Which attempt goes wrong is decided in `amends_core::faults`.

mod commits;
mod injected;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use amends_core::{
    Reply,
    faults::{Asked, Attempted, FaultPlan, Moment, Rule, chosen},
    ids::ServiceName,
};
use amends_protocol::participant::Op;
use async_trait::async_trait;
use uuid::Uuid;

use self::injected::Replays;
use crate::{Forgotten, Participant, Request};

/// The plan of this process, in memory only: a process that died of it comes back without.
#[derive(Default)]
pub struct Faults {
    active: RwLock<Option<Arc<Active>>>,
    replays: Replays,
    /// By kind, since the process began: [`amends_core::faults::Fault::as_str`] and how often.
    injected: RwLock<BTreeMap<&'static str, u64>>,
}

/// A plan, and what came of it.
pub struct Active {
    /// As it was set.
    pub source: Arc<str>,
    pub plan: FaultPlan,
    /// By rule.
    fired: Vec<AtomicU64>,
}

impl Active {
    /// How often each rule fired.
    pub fn fired(&self) -> impl Iterator<Item = (&Rule, u64)> {
        self.plan.rules.iter().zip(self.fired.iter().map(|fired| fired.load(Ordering::Relaxed)))
    }

    /// Takes one of the rule's count, if there is one left.
    fn take(&self, number: usize) -> bool {
        let most = self.plan.rules[number].count.unwrap_or(u64::MAX);
        let one_more = |fired: u64| (fired < most).then_some(fired + 1);
        self.fired[number].fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }
}

impl Faults {
    /// From now on this plan, counted from nothing. Of the one before nothing comes any more.
    pub fn set(&self, source: &str, plan: FaultPlan) -> Arc<Active> {
        self.replays.clear();
        let fired = plan.rules.iter().map(|_| AtomicU64::new(0)).collect();
        let active = Arc::new(Active { source: source.into(), plan, fired });
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = Some(active.clone());
        tracing::warn!(rules = active.plan.rules.len(), seed = active.plan.seed, "faults are injected from now on");
        active
    }

    /// No faults any more, and no copies that were to come later. Answers what there was.
    pub fn clear(&self) -> Option<Arc<Active>> {
        self.replays.clear();
        let before = self.active.write().unwrap_or_else(PoisonError::into_inner).take();
        if before.is_some() {
            tracing::warn!("faults are no longer injected");
        }
        before
    }

    /// The plan and what came of it so far.
    pub fn active(&self) -> Option<Arc<Active>> {
        self.active.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often each kind of fault was injected since the process began.
    pub fn injected(&self) -> Vec<(&'static str, u64)> {
        let injected = self.injected.read().unwrap_or_else(PoisonError::into_inner);
        injected.iter().map(|(kind, times)| (*kind, *times)).collect()
    }

    fn count(&self, kind: &'static str) {
        *self.injected.write().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }
}

/// Services with whom things go wrong as planned, for somebody who stands between them and an engine.
pub fn unreliable(services: Arc<dyn Participant>, faults: Arc<Faults>) -> Arc<dyn Participant> {
    Arc::new(Unreliable { services, faults })
}

/// Services with whom things go wrong as planned.
pub(crate) struct Unreliable {
    pub(crate) services: Arc<dyn Participant>,
    pub(crate) faults: Arc<Faults>,
}

#[async_trait]
impl Participant for Unreliable {
    async fn call(&self, request: Request) -> Reply {
        let compensates = (request.headers.op == Op::Compensate).then(|| request.headers.key());
        let reply = match self.faults.active().and_then(|active| {
            let (number, rule) =
                chosen(&active.plan, Moment::Call, &attempted(&request), |number| active.take(number))?;
            let fault = rule.fault.clone();
            tell(&request, number, rule);
            Some(fault)
        }) {
            Some(fault) => {
                self.faults.count(fault.as_str());
                injected::inject(self, fault, request).await
            }
            None => self.services.call(request).await,
        };
        if let (Some(key), Reply::Answered(_)) = (&compensates, &reply) {
            self.faults.replays.send_after(key, &self.services);
        }
        reply
    }

    /// Not a call of a saga: it is told.
    async fn forget(&self, service: &ServiceName, sagas: &[Uuid]) -> Forgotten {
        self.services.forget(service, sagas).await
    }
}

fn attempted(request: &Request) -> Attempted<'_> {
    let headers = &request.headers;
    Attempted {
        service: request.rendered.service.as_str(),
        saga: headers.saga,
        name: &headers.name,
        step: &headers.step,
        index: headers.index,
        op: match headers.op {
            Op::Action => Asked::Action,
            Op::Compensate => Asked::Compensate,
            Op::Probe => Asked::Probe,
        },
        attempt: headers.attempt,
        labels: &request.started.labels,
    }
}

fn tell(request: &Request, number: usize, rule: &Rule) {
    let headers = &request.headers;
    tracing::warn!(
        saga.id = %headers.saga,
        step = headers.step,
        op = headers.op.as_str(),
        attempt = headers.attempt,
        rule = rule.name,
        number = number + 1,
        fault = rule.fault.as_str(),
        "a fault is injected"
    );
}
