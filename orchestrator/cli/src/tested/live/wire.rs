//! What passes, written down where a saga sends and where a service serves; between the two things go wrong.
//!
//! **It must never know** what befalls a request.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use amends_core::{Reply, definition::Method, ids::ServiceName, scenario::Asked, time::Time};
use amends_engine::{Clock, Forgotten, Participant, Request};
use amends_protocol::participant::Op;
use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

/// Where something is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Saga,
    Service,
}

/// The action of a step or an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) saga: Uuid,
    pub(super) step: String,
    pub(super) index: Option<u32>,
}

/// Something that passed.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) at: Time,
    pub(super) place: Place,
    pub(super) of: Asked,
    pub(super) attempt: u32,
    pub(super) service: ServiceName,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// A saga sends it.
    Sent { body: Value },
    /// The saga has this of it.
    Heard(Reply),
    /// Its service has answered this; `reads`: it changes nothing.
    Served { reply: Reply, reads: bool },
    /// It was accepted in its service's place.
    Accepted,
    /// What was accepted is done now, or is refused in the end.
    Decided { refused: bool },
}

pub(super) struct Log {
    clock: Arc<dyn Clock>,
    entries: Mutex<Vec<Entry>>,
    under_way: AtomicUsize,
}

impl Log {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, entries: Mutex::default(), under_way: AtomicUsize::new(0) }
    }

    pub(super) fn write(&self, request: &Request, what: What) {
        let headers = &request.headers;
        let entry = Entry {
            at: self.clock.now(),
            place: Place { saga: headers.saga, step: headers.step.clone(), index: headers.index },
            of: match headers.op {
                Op::Action => Asked::Action,
                Op::Compensate => Asked::Compensate,
                Op::Probe => Asked::Probe,
            },
            attempt: headers.attempt,
            service: request.rendered.service.clone(),
            what,
        };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// Everything so far, in order.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.under_way.load(Ordering::SeqCst) == 0
    }

    /// Until it is dropped something is under way.
    pub(super) fn pass(&self) -> Pass<'_> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        Pass(self)
    }
}

pub(super) struct Pass<'l>(&'l Log);

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Writes down what passes here.
pub(super) struct Watched {
    pub(super) log: Arc<Log>,
    pub(super) side: Side,
    pub(super) next: Arc<dyn Participant>,
}

#[async_trait]
impl Participant for Watched {
    async fn call(&self, request: Request) -> Reply {
        let _pass = self.log.pass();
        if self.side == Side::Saga {
            let body = request.rendered.body.as_deref().and_then(|body| serde_json::from_slice(body).ok());
            self.log.write(&request, What::Sent { body: body.unwrap_or(Value::Null) });
        }
        let reply = self.next.call(request.clone()).await;
        self.log.write(
            &request,
            match self.side {
                Side::Saga => What::Heard(reply.clone()),
                Side::Service => What::Served { reply: reply.clone(), reads: request.rendered.method == Method::Get },
            },
        );
        reply
    }

    async fn forget(&self, service: &ServiceName, sagas: &[Uuid]) -> Forgotten {
        self.next.forget(service, sagas).await
    }
}
