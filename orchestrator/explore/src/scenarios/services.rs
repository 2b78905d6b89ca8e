//! The services. They do whatever they are asked to, and answer what the file says; what they refuse, a scenario says. One with a
//! barrier keeps the participant contract, a plain one does what HTTP services do that honour the idempotency key.
//!
//! **They must never know** what befalls a request on its way.

use std::sync::Arc;

use amends_core::{
    Answer, Said,
    definition::Method,
    ids::{CallId, SagaId},
    scenario::{After, Asked, Verdict},
};
use serde_json::Value;

use super::{
    touched::Touch,
    wire::{Place, Request},
    world::{Happens, ON_THE_WIRE, World},
};
use crate::setup::Contract;

/// What a service knows of one action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    stands: Stands,
    /// The compensation was there, and its answer is kept.
    undo_kept: bool,
    applied: u32,
    undone: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stands {
    #[default]
    Nothing,
    Done,
    /// It will be done, or will not.
    Accepted,
    /// Accepted, and refused in the end.
    Refused,
    /// It is not to be done any more.
    Tombstone,
}

/// Of a service that knows nothing of what it is to undo.
const UNKNOWN_THERE: u16 = 404;

impl World<'_> {
    /// What its service answers, and does.
    pub(super) fn serve(&mut self, request: &Request) -> Answer {
        let contract = self.setup.service(&request.place.service).contract;
        let (status, body) = match request.of {
            Asked::Action => self.act(request, contract),
            Asked::Compensate => (self.undo(request, contract), Value::Object(serde_json::Map::new())),
            Asked::Probe => self.asked(request, contract),
        };
        Answer {
            status,
            acked: contract == Contract::Barrier,
            body: body.to_string().into_bytes(),
            ..Answer::default()
        }
    }

    fn act(&mut self, request: &Request, contract: Contract) -> (u16, Value) {
        let reply = self.reply(&request.call.step);
        let nothing = || Value::Object(serde_json::Map::new());
        if request.method == Method::Get {
            return (200, reply);
        }
        let later = self.scenario.callbacks.iter().position(|later| later.step == request.call.step);
        let later = later.filter(|_| self.is_async(request.saga(), &request.call));
        let row = self.rows.entry(request.place.clone()).or_default();
        match row.stands {
            Stands::Done if contract != Contract::Unkeyed => return (201, reply),
            Stands::Accepted => return (202, nothing()),
            Stands::Refused | Stands::Tombstone => return (409, nothing()),
            Stands::Nothing | Stands::Done => {}
        }
        row.applied += 1;
        let Some(nth) = later else {
            row.stands = Stands::Done;
            return (201, reply);
        };
        row.stands = Stands::Accepted;
        self.accept(request, nth);
        (202, nothing())
    }

    /// It says later what came of it.
    fn accept(&mut self, request: &Request, nth: usize) {
        self.seen.ran.accepted[nth] = true;
        let callback = &self.scenario.callbacks[nth];
        let how = match (callback.after, &callback.verdict) {
            (After::Never, _) => "no callback",
            (_, Verdict::Rejected(_)) => "callback: reject",
            (After::Early, Verdict::Done(_)) => "callback: early",
            (After::Later(_), Verdict::Done(_)) => "callback: later",
        };
        let name = self.sagas[&request.saga()].definition.name.clone();
        self.seen.touch(Touch::of(&name, request.call.step.as_str(), "action", how));
        let (place, call) = (request.place.clone(), request.call.clone());
        match callback.after {
            After::Never => {}
            After::Early => {
                if let Some(said) = self.decide_place(&place, nth) {
                    self.called_back(place.saga, call, said);
                }
            }
            After::Later(after) => self.later(after, Happens::Decides { place, call, nth }),
        }
    }

    /// What was accepted is done, or is not; then it is told.
    pub(super) fn decides(&mut self, place: &Place, call: &CallId, nth: usize) {
        if let Some(said) = self.decide_place(place, nth) {
            self.later(ON_THE_WIRE, Happens::CalledBack { saga: place.saga, call: call.clone(), said });
        }
    }

    /// `None`: its compensation came first, so nobody is told anything.
    fn decide_place(&mut self, place: &Place, nth: usize) -> Option<Said> {
        let row = self.rows.get_mut(place).filter(|row| row.stands == Stands::Accepted)?;
        Some(match &self.scenario.callbacks[nth].verdict {
            Verdict::Done(body) => {
                row.stands = Stands::Done;
                Said::Succeeded { body: Arc::new(body.clone()) }
            }
            // Accepting is an effect, and this takes it back.
            Verdict::Rejected(reason) => {
                row.stands = Stands::Refused;
                row.undone += 1;
                self.seen.ran.undone.push(place.step.to_string());
                Said::Rejected { reason: reason.clone() }
            }
        })
    }

    fn undo(&mut self, request: &Request, contract: Contract) -> u16 {
        let step = request.call.step.to_string();
        let row = self.rows.entry(request.place.clone()).or_default();
        if row.undo_kept && contract != Contract::Unkeyed {
            return 200;
        }
        if row.applied > row.undone {
            row.undone += 1;
            row.undo_kept = true;
            // Without a barrier nobody remembers that it must not be done any more; but what was accepted is called off.
            if contract == Contract::Barrier || row.stands == Stands::Accepted {
                row.stands = Stands::Tombstone;
            }
            self.seen.ran.undone.push(step);
            return 200;
        }
        if contract != Contract::Barrier {
            return UNKNOWN_THERE;
        }
        (row.stands, row.undo_kept) = (Stands::Tombstone, true);
        self.seen.ran.nothing.push(step);
        200
    }

    /// Whether the action was applied.
    fn asked(&self, request: &Request, contract: Contract) -> (u16, Value) {
        let row = self.rows.get(&request.place).copied().unwrap_or_default();
        let applied = match contract {
            Contract::Barrier => row.stands == Stands::Done,
            Contract::Plain | Contract::Unkeyed => row.applied > row.undone,
        };
        match row.stands {
            Stands::Accepted => (202, Value::Object(serde_json::Map::new())),
            _ if applied => (200, self.reply(&request.call.step)),
            _ => (404, Value::Object(serde_json::Map::new())),
        }
    }

    fn is_async(&self, saga: SagaId, call: &CallId) -> bool {
        let step = self.sagas.get(&saga).and_then(|member| member.definition.step(&call.step));
        step.and_then(|(_, step)| step.call()).is_some_and(|call| call.verdict_within.is_some())
    }
}
