//! Participants as the contract wants them (SEMANTICS §5), in memory, each with its barrier and its ledger, and a plain one.
//!
//! **What they must never know:** the engine. They see requests and answer them.

use std::collections::BTreeMap;

use amends_core::{Answer, RefusedThere, Reply, ids::SagaId};
use amends_protocol::participant::{CallbackToken, Op};
use serde_json::json;

use crate::{
    dice::mixed,
    plan::Weather,
    sagas::{PLAIN, WILLING},
    world::Rule,
};

/// A request as it arrives.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) service: String,
    pub(crate) saga: SagaId,
    /// Step, with its item.
    pub(crate) unit: String,
    pub(crate) step: String,
    pub(crate) op: Op,
    pub(crate) epoch: u64,
    pub(crate) attempt: u32,
    pub(crate) digest: String,
    pub(crate) token: Option<CallbackToken>,
}

/// What a service did, in the order in which it did it: its books, which it never looks at.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) service: String,
    pub(crate) saga: SagaId,
    pub(crate) unit: String,
    pub(crate) did: Did,
    pub(crate) epoch: u64,
    pub(crate) attempt: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    Applied,
    /// The same of what was accepted before.
    Finished,
    Refused,
    Undone,
    /// There was nothing to undo.
    NullUndo,
    /// A stale call was turned away.
    Fenced,
    /// The same was asked before, and got the same answer.
    Replayed,
    /// An action was turned away, since it had been undone before it came.
    TooLate,
}

type Unit = (String, SagaId, String);

/// The action's row of a barrier.
#[derive(Clone, Debug)]
enum Row {
    Done { digest: String, usable: bool },
    Accepted { digest: String, epoch: u64, attempt: u32 },
    Rejected { digest: String, epoch: u64, attempt: u32 },
    Tombstone,
}

#[derive(Default)]
pub(crate) struct Services {
    seed: u64,
    weather: Weather,
    off: Option<Rule>,
    fences: BTreeMap<(String, SagaId), u64>,
    actions: BTreeMap<Unit, Row>,
    undone: BTreeMap<Unit, ()>,
    pub(crate) books: Vec<Entry>,
}

/// What a barrier saw when it looked.
pub(crate) enum Look {
    Answer(Reply),
    /// Nobody was here before: to be judged and done.
    Free,
}

impl Services {
    pub(crate) fn new(seed: u64, weather: &Weather, off: Option<Rule>) -> Self {
        Self { seed, weather: weather.clone(), off, ..Self::default() }
    }

    /// A request is dealt with in one transaction.
    pub(crate) fn deal_with(&mut self, arrival: &Arrival) -> Reply {
        match self.look(arrival) {
            Look::Answer(reply) => reply,
            Look::Free => self.act(arrival),
        }
    }

    /// The first half: fence, tombstones, stored replies.
    pub(crate) fn look(&mut self, arrival: &Arrival) -> Look {
        if arrival.service == PLAIN {
            return Look::Answer(answer(200, false, &json!({ "amount": 7 })));
        }
        if arrival.op == Op::Probe {
            return Look::Answer(self.probed(arrival));
        }
        let fence = self.fences.entry((arrival.service.clone(), arrival.saga)).or_default();
        if arrival.epoch < *fence && self.off != Some(Rule::FenceThere) {
            self.enter(arrival, Did::Fenced);
            let refused = Some(RefusedThere::StaleEpoch);
            return Look::Answer(Reply::Answered(Answer { status: 409, refused, ..Answer::default() }));
        }
        *fence = (*fence).max(arrival.epoch);
        if arrival.op == Op::Compensate {
            if self.undone.contains_key(&unit(arrival)) {
                self.enter(arrival, Did::Replayed);
                return Look::Answer(done());
            }
            return Look::Free;
        }
        let (did, reply) = match self.actions.get(&unit(arrival)) {
            Some(Row::Tombstone) => (Did::TooLate, refusal("already compensated")),
            Some(Row::Done { digest, .. } | Row::Accepted { digest, .. } | Row::Rejected { digest, .. })
                if *digest != arrival.digest =>
            {
                let refused = Some(RefusedThere::OtherBody);
                (Did::Replayed, Reply::Answered(Answer { status: 422, refused, ..Answer::default() }))
            }
            Some(Row::Done { usable, .. }) => (Did::Replayed, result(arrival, *usable)),
            Some(Row::Accepted { .. }) => (Did::Replayed, answer(202, true, &json!({}))),
            Some(Row::Rejected { epoch, attempt, .. }) if (arrival.epoch, arrival.attempt) <= (*epoch, *attempt) => {
                (Did::Replayed, refusal("as before"))
            }
            Some(Row::Rejected { .. }) | None => return Look::Free,
        };
        self.enter(arrival, did);
        Look::Answer(reply)
    }

    /// The second half: the business.
    pub(crate) fn act(&mut self, arrival: &Arrival) -> Reply {
        let unit = unit(arrival);
        if arrival.op == Op::Compensate {
            let there = matches!(self.actions.get(&unit), Some(Row::Done { .. }));
            if self.off != Some(Rule::Tombstone) || there {
                self.actions.insert(unit.clone(), Row::Tombstone);
            }
            self.undone.insert(unit, ());
            self.enter(arrival, if there { Did::Undone } else { Did::NullUndo });
            return done();
        }
        let (epoch, attempt, digest) = (arrival.epoch, arrival.attempt, arrival.digest.clone());
        let mood = self.mood(arrival);
        // Some are refused for good, some only by the first that asks.
        let refused = mood < self.weather.refuses && (!mood.is_multiple_of(3) || !self.actions.contains_key(&unit));
        if refused && !WILLING.contains(&arrival.step.as_str()) && arrival.token.is_none() {
            self.actions.insert(unit, Row::Rejected { digest, epoch, attempt });
            self.enter(arrival, Did::Refused);
            return refusal("not today");
        }
        if arrival.token.is_some() {
            self.actions.insert(unit, Row::Accepted { digest, epoch, attempt });
            return answer(202, true, &json!({}));
        }
        let usable = self.usable(arrival);
        self.actions.insert(unit, Row::Done { digest, usable });
        self.enter(arrival, Did::Applied);
        result(arrival, usable)
    }

    /// Finishes what was accepted, through the barrier. `None`: it is undone, or was finished before.
    pub(crate) fn complete(&mut self, arrival: &Arrival) -> Option<bool> {
        let unit = unit(arrival);
        let Some(Row::Accepted { digest, epoch, attempt }) = self.actions.get(&unit).cloned() else { return None };
        let good = self.mood(arrival) >= self.weather.refuses || WILLING.contains(&arrival.step.as_str());
        let row = if good {
            Row::Done { digest, usable: true }
        } else {
            Row::Rejected { digest, epoch: u64::MAX, attempt: u32::MAX }
        };
        self.actions.insert(unit, row);
        let finished = Arrival { epoch, attempt, ..arrival.clone() };
        self.enter(&finished, if good { Did::Finished } else { Did::Refused });
        Some(good)
    }

    fn probed(&self, arrival: &Arrival) -> Reply {
        match self.actions.get(&unit(arrival)) {
            Some(Row::Done { usable, .. }) => result(arrival, *usable),
            Some(Row::Accepted { .. }) => answer(202, true, &json!({})),
            Some(Row::Rejected { .. } | Row::Tombstone) | None => answer(404, true, &json!({})),
        }
    }

    /// The same for every attempt of a call.
    fn mood(&self, arrival: &Arrival) -> u64 {
        let of = |text: &str| text.bytes().fold(0_u64, |sum, byte| mixed(sum ^ u64::from(byte)));
        let (a, b) = arrival.saga.0.as_u64_pair();
        mixed(self.seed ^ a ^ b ^ of(&arrival.unit)) % 1_000
    }

    fn usable(&self, arrival: &Arrival) -> bool {
        let useless = (500..500 + self.weather.unusable).contains(&self.mood(arrival));
        !useless || WILLING.contains(&arrival.step.as_str())
    }

    fn enter(&mut self, arrival: &Arrival, did: Did) {
        self.books.push(Entry {
            service: arrival.service.clone(),
            saga: arrival.saga,
            unit: arrival.unit.clone(),
            did,
            epoch: arrival.epoch,
            attempt: arrival.attempt,
        });
    }
}

fn unit(arrival: &Arrival) -> Unit {
    (arrival.service.clone(), arrival.saga, arrival.unit.clone())
}

fn answer(status: u16, acked: bool, body: &serde_json::Value) -> Reply {
    Reply::Answered(Answer { status, acked, body: body.to_string().into_bytes(), ..Answer::default() })
}

fn result(arrival: &Arrival, usable: bool) -> Reply {
    let body = if usable { json!({ "id": arrival.unit }) } else { json!({}) };
    answer(200, true, &body)
}

fn done() -> Reply {
    answer(200, true, &json!({}))
}

fn refusal(why: &str) -> Reply {
    answer(409, true, &json!({ "detail": why }))
}
