//! Participants as the contract wants them (SEMANTICS.md §5), in memory, with a ledger.

use std::collections::BTreeMap;

use amends_core::{
    Answer, RefusedThere, Reply, Said,
    ids::{CallId, Op},
};

use crate::run::{Broken, Request};

/// What a participant did for one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) applied: u32,
    pub(crate) undone: u32,
}

/// The action's row of a barrier.
#[derive(Clone, Copy, Debug)]
enum Row {
    Done,
    /// To be done later.
    Accepted,
    /// Refused, by which attempt.
    Rejected {
        epoch: u64,
        attempt: u32,
    },
    Tombstone,
}

pub(crate) struct World {
    broken: Broken,
    barrier: bool,
    unusable: Vec<String>,
    rows: BTreeMap<String, Row>,
    undone: BTreeMap<String, ()>,
    pub(crate) ledger: BTreeMap<String, Ledger>,
    highest_epoch: u64,
}

/// A step, or one item of it.
pub(crate) fn unit(call: &CallId) -> String {
    call.index.map_or_else(|| call.step.to_string(), |index| format!("{}[{index}]", call.step))
}

impl World {
    pub(crate) fn new(barrier: bool, unusable: Vec<String>, broken: Broken) -> Self {
        Self {
            broken,
            barrier,
            unusable,
            rows: BTreeMap::new(),
            undone: BTreeMap::new(),
            ledger: BTreeMap::new(),
            highest_epoch: 0,
        }
    }

    /// A request arrives. `willing`: the business has nothing against it.
    pub(crate) fn arrives(&mut self, request: &Request, willing: bool) -> Reply {
        if self.barrier && request.epoch < self.highest_epoch {
            return self.fenced();
        }
        self.highest_epoch = self.highest_epoch.max(request.epoch);
        let unit = unit(&request.call);
        match request.call.op {
            Op::Action => self.action(&unit, request, willing.then_some(Row::Done)),
            Op::Compensate => self.compensation(&unit, willing),
        }
    }

    /// The same of an action that is accepted for later, if its step lets it.
    pub(crate) fn accepts(&mut self, request: &Request, lets: bool) -> Reply {
        if !lets || request.call.op == Op::Compensate || (self.barrier && request.epoch < self.highest_epoch) {
            return self.arrives(request, true);
        }
        self.highest_epoch = self.highest_epoch.max(request.epoch);
        self.action(&unit(&request.call), request, Some(Row::Accepted))
    }

    /// What is still to be finished.
    pub(crate) fn accepted(&self) -> Vec<String> {
        let accepted = self.rows.iter().filter(|(_, row)| matches!(row, Row::Accepted));
        accepted.map(|(unit, _)| unit.clone()).collect()
    }

    /// Finishes what was accepted; what then is to be called back. `None`: the compensation was there before.
    pub(crate) fn finish(&mut self, unit: &str, good: bool) -> Option<Said> {
        let row = self.rows.get_mut(unit).filter(|row| matches!(row, Row::Accepted))?;
        if good {
            *row = Row::Done;
            self.ledger.entry(unit.to_owned()).or_default().applied += 1;
            let body = serde_json::from_str(self.body(unit)).expect("JSON");
            return Some(Said::Succeeded { body: std::sync::Arc::new(body) });
        }
        *row = Row::Rejected { epoch: u64::MAX, attempt: u32::MAX };
        Some(Said::Rejected { reason: "in the end".to_owned() })
    }

    pub(crate) fn fenced(&self) -> Reply {
        let refused = Some(RefusedThere::StaleEpoch);
        Reply::Answered(Answer { status: 409, acked: self.barrier, refused, ..Answer::default() })
    }

    /// Whether the action was applied, by now.
    pub(crate) fn asked(&self, call: &CallId) -> Reply {
        let unit = unit(call);
        match self.rows.get(&unit) {
            Some(Row::Done) => self.says(200, &unit),
            Some(Row::Accepted) => self.says(202, &unit),
            Some(Row::Rejected { .. } | Row::Tombstone) | None => self.says(404, &unit),
        }
    }

    /// It is under way there.
    pub(crate) fn busy(&self) -> Reply {
        Reply::Answered(Answer { status: 409, acked: self.barrier, ..Answer::default() })
    }

    fn action(&mut self, step: &str, request: &Request, wanted: Option<Row>) -> Reply {
        match self.rows.get(step) {
            Some(Row::Tombstone) => return self.says(409, step),
            Some(Row::Accepted) => return self.says(202, step),
            Some(Row::Done) if self.broken != Broken::NoIdempotency => return self.says(200, step),
            Some(Row::Rejected { epoch, attempt })
                if (request.epoch, request.attempt) <= (*epoch, *attempt)
                    && self.broken != Broken::RefusalsNotStored =>
            {
                return self.says(409, step);
            }
            Some(Row::Done | Row::Rejected { .. }) | None => {}
        }
        let Some(row) = wanted else {
            let row = Row::Rejected { epoch: request.epoch, attempt: request.attempt };
            self.rows.insert(step.to_owned(), row);
            return self.says(409, step);
        };
        self.rows.insert(step.to_owned(), row);
        if matches!(row, Row::Accepted) {
            return self.says(202, step);
        }
        self.ledger.entry(step.to_owned()).or_default().applied += 1;
        self.says(200, step)
    }

    fn compensation(&mut self, step: &str, willing: bool) -> Reply {
        if self.undone.contains_key(step) {
            return self.says(200, step);
        }
        if !willing {
            // A refused compensation stores nothing.
            return self.says(409, step);
        }
        self.undone.insert(step.to_owned(), ());
        if let Some(Row::Done) = self.rows.get(step) {
            self.ledger.entry(step.to_owned()).or_default().undone += 1;
        }
        if self.broken != Broken::NoTombstones {
            self.rows.insert(step.to_owned(), Row::Tombstone);
        }
        self.says(200, step)
    }

    fn says(&self, status: u16, step: &str) -> Reply {
        let body = self.body(step);
        Reply::Answered(Answer { status, acked: self.barrier, body: body.as_bytes().to_vec(), ..Answer::default() })
    }

    fn body(&self, step: &str) -> &'static str {
        let name = step.split('[').next().unwrap_or_default();
        if self.unusable.iter().any(|useless| useless == name) { "{}" } else { "{\"id\":1}" }
    }
}
