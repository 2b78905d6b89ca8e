//! Requests and answers: what is sent, what befalls it on the way, and when it arrives.
//!
//! A lost request or reply is known to be lost at once, as when a connection breaks; only what is delayed beyond the timeout is given
//! up by its caller, and arrives all the same.

use std::time::Duration;

use amends_core::{
    Answer, Input, Reply, Terms,
    definition::Method,
    ids::{CallId, SagaId, ServiceName, StepName},
    render, render_probe,
    scenario::{Asked, Sent, Wrong},
};
use serde_json::Value;

use super::{
    drive::words,
    touched::Touch,
    world::{Happens, ON_THE_WIRE, World},
};
use crate::{
    steps,
    story::{AMENDS, Line},
};

/// The action of a step or an item, at the service where somebody asks for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) service: ServiceName,
    pub(super) saga: SagaId,
    pub(super) step: StepName,
    pub(super) index: Option<u32>,
}

/// One request on its way.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) call: CallId,
    pub(super) of: Asked,
    pub(super) attempt: u32,
    pub(super) place: Place,
    pub(super) method: Method,
    terms: Terms,
    sent_at: amends_core::time::Time,
}

impl Request {
    pub(super) fn saga(&self) -> SagaId {
        self.place.saga
    }

    pub(super) fn about(&self) -> Option<(String, Option<Asked>)> {
        Some((self.call.step.to_string(), Some(self.of)))
    }

    fn in_words(&self) -> String {
        let step = words(&self.call);
        let again = if self.attempt > 1 { format!(", attempt {}", self.attempt) } else { String::new() };
        match self.of {
            Asked::Action => format!("{step}{again}"),
            Asked::Compensate => format!("undo {step}{again}"),
            Asked::Probe => format!("was {step} applied?"),
        }
    }
}

impl World<'_> {
    /// An attempt leaves, or a probe.
    pub(super) fn send(&mut self, saga: SagaId, call: CallId, attempt: u32, of: Asked) {
        let member = self.sagas.get_mut(&saga).expect("invariant: a saga that is driven is there");
        member.under_way.insert((call.clone(), attempt));
        let rendered = match of {
            Asked::Probe => render_probe(&member.definition, &member.state, &call),
            Asked::Action | Asked::Compensate => render(&member.definition, &member.state, &call),
        };
        // What can be intended can be rendered: core has looked.
        let rendered = rendered.expect("invariant: an intended call renders");
        let (_, step) = member.definition.step(&call.step).expect("invariant: an intended call has a step");
        let own = match of {
            Asked::Probe => step.call().and_then(|call| call.probe.as_ref()).map(|probe| &probe.call),
            Asked::Action | Asked::Compensate => step.call_of(call.op),
        };
        let service = self.setup.service(&rendered.service);
        let timeout = own.and_then(|call| call.timeout).unwrap_or(service.timeout);
        let terms = steps::terms(service);
        let body = rendered.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or(Value::Null);
        let name = member.definition.name.clone();
        let place = Place { service: rendered.service, saga, step: call.step.clone(), index: call.index };
        let request = Request { call, of, attempt, place, method: rendered.method, terms, sent_at: self.now };
        let befalls = self.befalls(&request);
        if let Some(nth) = befalls {
            self.seen.ran.befell[nth] += 1;
            let what = self.scenario.faults[nth].what.as_str();
            self.seen.touch(Touch::of(&name, request.call.step.as_str(), of.as_str(), what));
        }
        let what = befalls.map(|nth| self.scenario.faults[nth].what);
        if what != Some(Wrong::LoseConnection) {
            self.seen.sent(Sent { step: request.call.step.to_string(), of, body });
        }
        let line = Line::new(self.now, AMENDS, Some(request.place.service.as_str()), request.in_words());
        self.seen.tell(line, request.about());
        self.carry(request, what, timeout);
    }

    /// The first fault that fits.
    fn befalls(&mut self, request: &Request) -> Option<usize> {
        for nth in self.faults(&request.call.step, request.of) {
            let most = self.scenario.faults[nth].attempts.unwrap_or(u32::MAX);
            let number = if request.of == Asked::Probe {
                let before = self.probes.entry((nth, request.saga(), request.call.clone())).or_default();
                *before += 1;
                *before
            } else {
                request.attempt
            };
            if number <= most {
                return Some(nth);
            }
        }
        None
    }

    fn carry(&mut self, request: Request, what: Option<Wrong>, timeout: Duration) {
        let there_and_back = ON_THE_WIRE * 2;
        let answered = |status, acked| Reply::Answered(Answer { status, acked, ..Answer::default() });
        let lost = |reason: &str| Reply::Lost { reason: reason.to_owned() };
        let arrives = |request: &Request, heard| Happens::Arrives { request: request.clone(), heard };
        let in_its_place = |request: Request, reply| Happens::Answered { request, reply };
        match what {
            None => self.later(ON_THE_WIRE, arrives(&request, true)),
            Some(Wrong::Reject(status)) => self.later(there_and_back, in_its_place(request, answered(status, true))),
            Some(Wrong::Fail(status)) => self.later(there_and_back, in_its_place(request, answered(status, false))),
            Some(Wrong::LoseRequest) => self.later(there_and_back, in_its_place(request, lost("the request is lost"))),
            Some(Wrong::LoseReply) => {
                self.later(ON_THE_WIRE, arrives(&request, false));
                self.later(there_and_back, in_its_place(request, lost("the reply is lost")));
            }
            Some(Wrong::LoseConnection) => {
                let reply = Reply::NotSent { reason: "nobody listens".to_owned() };
                self.later(there_and_back, in_its_place(request, reply));
            }
            Some(Wrong::Duplicate(copies)) => {
                self.later(ON_THE_WIRE, arrives(&request, true));
                for _ in 1..copies {
                    self.later(ON_THE_WIRE, arrives(&request, false));
                }
            }
            Some(Wrong::Delay(delay)) => {
                let in_time = delay + there_and_back <= timeout;
                self.later(delay + ON_THE_WIRE, arrives(&request, in_time));
                if !in_time {
                    self.later(timeout, in_its_place(request, lost("no answer in time")));
                }
            }
        }
    }

    /// A request reaches its service.
    pub(super) fn arrives(&mut self, request: Request, heard: bool) {
        let answer = self.serve(&request);
        if heard {
            let reply = Reply::Answered(answer);
            return self.later(ON_THE_WIRE, Happens::Answered { request, reply });
        }
        let text = format!("{}: {}, and nobody hears of it", request.in_words(), answer.status);
        let line = Line { fault: true, ..Line::new(self.now, request.place.service.as_str(), None, text) };
        self.seen.tell(line, request.about());
    }

    /// An answer reaches the saga; or that there is none does.
    pub(super) fn answered(&mut self, request: Request, reply: Reply) {
        let text = match &reply {
            Reply::Answered(answer) => answer.status.to_string(),
            Reply::Lost { reason } => format!("no answer: {reason}"),
            Reply::NotSent { reason } => format!("it cannot be reached: {reason}"),
        };
        let fault = !matches!(&reply, Reply::Answered(answer) if answer.status < 300);
        let line = Line::new(self.now, request.place.service.as_str(), Some(AMENDS), text);
        self.seen.tell(Line { fault, ..line }, request.about());
        let (saga, Request { call, of, attempt, terms, sent_at: asked_at, .. }) = (request.saga(), request);
        if let Some(member) = self.sagas.get_mut(&saga) {
            member.under_way.remove(&(call.clone(), attempt));
        }
        let input = match of {
            Asked::Probe => Input::Probed { call, attempt, asked_at, reply, terms },
            Asked::Action | Asked::Compensate => Input::Answered { call, attempt, reply, terms },
        };
        self.input(saga, input);
    }
}
