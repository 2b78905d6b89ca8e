//! The attempts of one saga that are under way. They run within the task of its driver: an answer that has come costs no
//! switch between tasks, and whoever drops the driver drops them.
//!
//! **What it must never know:** what an answer means, and what follows from it.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use amends_core::{
    Input, RefusedThere, Reply, Terms,
    ids::{CallId, SagaId},
    time::Time,
};
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, pending},
    stream::FuturesUnordered,
};

use crate::{Engine, Request, membership::Member, registry::Message};

/// Attempts handed out and not answered yet.
#[derive(Default)]
pub(crate) struct Calls {
    handed_out: BTreeMap<CallId, HandedOut>,
    under_way: FuturesUnordered<BoxFuture<'static, Option<Message>>>,
    /// Answered, and not told yet.
    came: Vec<Message>,
}

struct HandedOut {
    attempt: u32,
    gate: Arc<Gate>,
}

/// One attempt whose intent is durable.
pub(crate) struct Attempt {
    pub(crate) call: CallId,
    pub(crate) attempt: u32,
    /// It is no attempt, but asks after one: since when.
    pub(crate) asked_at: Option<Time>,
    /// Or why it cannot be sent.
    pub(crate) prepared: Result<(Request, Terms), String>,
    /// Under which it was intended.
    pub(crate) owner: (Arc<Member>, SagaId, u64),
}

impl Calls {
    /// Makes it. What comes of it is told by [`Self::next`].
    pub(crate) fn begin(&mut self, engine: &Engine, attempt: Attempt) {
        let gate = Arc::new(Gate::default());
        let handed_out = HandedOut { attempt: attempt.attempt, gate: gate.clone() };
        self.handed_out.insert(attempt.call.clone(), handed_out);
        self.under_way.push(Box::pin(make(engine.clone(), attempt, gate)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.handed_out.is_empty()
    }

    pub(crate) fn has(&self, call: &CallId, attempt: u32) -> bool {
        self.handed_out.get(call).is_some_and(|handed_out| handed_out.attempt == attempt)
    }

    /// Its answer has been told.
    pub(crate) fn answered(&mut self, call: &CallId, attempt: u32) {
        if self.has(call, attempt) {
            self.handed_out.remove(call);
        }
    }

    /// Calls an attempt back. `false`: it is on the wire.
    pub(crate) fn withdraw(&mut self, call: &CallId, attempt: u32) -> bool {
        let on_the_wire =
            self.has(call, attempt) && self.handed_out.get(call).is_some_and(|handed_out| !handed_out.gate.withdraw());
        if !on_the_wire {
            self.handed_out.remove(call);
        }
        !on_the_wire
    }

    /// Calls back whatever waits for its turn. `true`: nothing is on the wire either.
    pub(crate) fn withdraw_all(&mut self) -> bool {
        self.handed_out.retain(|_, handed_out| !handed_out.gate.withdraw());
        self.handed_out.is_empty()
    }

    /// The next answer; never, if nothing is under way. May be dropped and asked again.
    pub(crate) async fn next(&mut self) -> Message {
        if let Some(message) = self.came.pop() {
            return message;
        }
        loop {
            match self.under_way.next().await {
                Some(Some(message)) => return message,
                // Called back, or too late to be sent.
                Some(None) => {}
                None => pending().await,
            }
        }
    }

    /// An answer that is there already.
    pub(crate) fn ready(&mut self) -> Option<Message> {
        if self.came.is_empty() && self.under_way.is_empty() { None } else { self.next().now_or_never() }
    }

    /// Goes on with what is under way as long as `other` takes: places in bulkheads and connections are free again as soon
    /// as the answers are there.
    pub(crate) async fn beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = std::pin::pin!(other);
        loop {
            if self.under_way.is_empty() {
                return other.await;
            }
            tokio::select! {
                biased;
                done = &mut other => return done,
                message = self.under_way.next() => self.came.extend(message.flatten()),
            }
        }
    }
}

async fn make(engine: Engine, attempt: Attempt, gate: Arc<Gate>) -> Option<Message> {
    let Attempt { call, attempt, asked_at, prepared, owner: (member, saga, epoch) } = attempt;
    let answered = |reply, terms| {
        Message::Input(Box::new(match asked_at {
            None => Input::Answered { call, attempt, reply, terms },
            Some(asked_at) => Input::Probed { call, attempt, asked_at, reply, terms },
        }))
    };
    let (request, terms) = match prepared {
        Ok(prepared) => prepared,
        Err(reason) => return Some(answered(Reply::NotSent { reason }, Terms::default())),
    };
    // Parked until there is a place in the service's bulkhead; the saga may fail meanwhile.
    let _place = engine.inner.bulkheads.enter(&request.rendered.service).await;
    // The last look before the first byte: past the lease somebody else may drive the saga.
    if !gate.pass() || !member.holds() {
        return None;
    }
    let calling = AssertUnwindSafe(engine.inner.participant.call(request)).catch_unwind();
    let reply = calling.await.unwrap_or_else(|_| Reply::Lost { reason: "the call panicked".to_owned() });
    match &reply {
        Reply::Answered(answer) if answer.refused == Some(RefusedThere::StaleEpoch) => {
            let owned = engine.owns(saga, member.id, epoch).await;
            Some(if owned { answered(reply, terms) } else { Message::OwnershipLost })
        }
        _ => Some(answered(reply, terms)),
    }
}

/// Between an attempt that waits and its sending: either it is sent or it is called back, never both.
#[derive(Default)]
struct Gate(AtomicU8);

impl Gate {
    const PASSED: u8 = 1;
    const WITHDRAWN: u8 = 2;

    /// `true`: send it now.
    fn pass(&self) -> bool {
        self.0.compare_exchange(0, Self::PASSED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// `true`: it has not been sent and will not be.
    fn withdraw(&self) -> bool {
        match self.0.compare_exchange(0, Self::WITHDRAWN, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(before) => before == Self::WITHDRAWN,
        }
    }
}
