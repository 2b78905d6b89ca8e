//! Hand-made evidence: sagas of four steps (`hold`, `take`, the pivot `send`, `close`) told call by call, with everything
//! that journal, wire and ledgers would hold.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use crate::{
    audit::{
        Evidence, Sum,
        journal::{Event, Recorded, Row, Saga},
        ledger::{Effect, Entry},
        shape::Shape,
    },
    proxy::{Answered, Copied, Sent, WireRequest},
    words::{Call, Op, SagaCall},
};

const YAML: &str = r#"
saga: made
steps:
  hold: { call: stock POST /holds, compensate: { call: stock POST /unholds } }
  take: { call: money POST /takes, compensate: { call: money POST /gives } }
  send: { call: post POST /parcels, pivot: true }
  close: { call: stock POST /closes }
"#;
const TICK_US: i64 = 10_000;

pub(super) const SAGA: Uuid = Uuid::from_u128(7);
/// The identity under which it is driven.
const NODE: Uuid = Uuid::from_u128(70);

/// What one attempt comes to: the journal's word, and what it does at the participant.
#[derive(Clone, Copy)]
pub(super) enum Comes {
    Done,
    Rejected,
    NotSent,
    /// Applied, reply lost.
    LostReply,
    /// Never arrived.
    LostRequest,
    /// Arrived before with a lost reply: replayed, no new effect.
    Replayed,
    /// A compensation with nothing to undo.
    Null,
}

/// One saga as it is told.
pub(super) struct Story {
    pub(super) evidence: Evidence,
    now: i64,
    epoch: u64,
}

impl Story {
    pub(super) fn begin() -> Self {
        Self::of(YAML)
    }

    pub(super) fn of(yaml: &str) -> Self {
        let shape = Shape::read(yaml, "digest").expect("it is one");
        let row = Row {
            status: "running".to_owned(),
            attention: false,
            started_at: TICK_US,
            updated_at: TICK_US,
            ended_at: None,
            wake_at: None,
            epoch: 1,
            next_seq: 2,
            owner: Some(NODE),
            asleep_until: None,
        };
        let (name, version, definition) = ("made".to_owned(), 1, "digest".to_owned());
        let saga = Saga { id: SAGA, name: name.clone(), version, definition, row, journal: Vec::new() };
        let evidence = Evidence {
            sagas: vec![saga],
            shapes: BTreeMap::from([((name, version), shape)]),
            sums: vec![Sum { what: "till".to_owned(), opening: 100, moved: -7, found: 93 }],
            orders: BTreeMap::from([(SAGA, "confirmed".to_owned())]),
            at_rest: true,
            ..Evidence::default()
        };
        let mut story = Self { evidence, now: 0, epoch: 1 };
        let started = json!({ "kind": "saga_started", "name": "made", "version": 1, "definition": "digest" });
        story.event(serde_json::from_value(started).expect("an event"));
        story
    }

    /// A row of the journal, and the summary after it.
    pub(super) fn event(&mut self, event: Event) {
        self.now += TICK_US;
        let saga = &mut self.evidence.sagas[0];
        let seq = saga.journal.len() as u64 + 1;
        let (ended, status) = match event {
            Event::SagaCompleted {} => (true, "completed"),
            Event::SagaCompensated => (true, "compensated"),
            Event::CompensationStarted { .. } => (false, "compensating"),
            _ => (false, saga.row.status.as_str()),
        };
        saga.row.status = status.to_owned();
        saga.row.ended_at = ended.then_some(self.now);
        saga.row.updated_at = self.now;
        saga.row.next_seq = seq + 1;
        saga.row.epoch = self.epoch;
        saga.row.owner = (event != Event::Released).then_some(NODE);
        saga.journal.push(Recorded { seq, epoch: self.epoch, at: self.now, event });
    }

    pub(super) fn json(&mut self, event: serde_json::Value) {
        self.event(serde_json::from_value(event).expect("an event"));
    }

    /// Intends an attempt and leaves it at that.
    pub(super) fn intend(&mut self, call: &Call, attempt: u32) {
        let (call, request) = (call.clone(), format!("bytes of {call}"));
        self.event(Event::CallIntended { call, attempt, due_at: self.now, request });
    }

    /// An attempt from its intent to its outcome.
    pub(super) fn attempt(&mut self, call: &Call, attempt: u32, comes: Comes) {
        self.intend(call, attempt);
        if !matches!(comes, Comes::NotSent) {
            self.wire(call, attempt);
        }
        let effect = match (comes, call.op) {
            (Comes::Done | Comes::LostReply, Op::Action) => Some(Effect::Applied),
            (Comes::Done | Comes::LostReply, Op::Compensate) => Some(Effect::Undone),
            (Comes::Null, _) => Some(Effect::Null),
            _ => None,
        };
        if let Some(effect) = effect {
            self.effect(call, attempt, effect);
        }
        let call = call.clone();
        self.event(match comes {
            Comes::Done | Comes::Replayed | Comes::Null => Event::CallSucceeded { call, attempt },
            Comes::Rejected => Event::CallRejected { call, attempt, acked: true },
            Comes::NotSent => Event::CallNotSent { call, attempt },
            Comes::LostReply | Comes::LostRequest => Event::CallUnknown { call, attempt },
        });
    }

    pub(super) fn wire(&mut self, call: &Call, attempt: u32) {
        self.now += TICK_US;
        let answer = Answered { status: 200, acked: true, refused: None, body: String::new(), at: self.now + 1 };
        self.evidence.wire.push(WireRequest {
            service: service(call).to_owned(),
            call: SagaCall { saga: SAGA, call: call.clone() },
            attempt,
            epoch: self.epoch,
            digest: format!("bytes of {call}"),
            sent: Sent::default(),
            arrived_at: self.now,
            intent_seen: Some(true),
            suffered: None,
            copies: vec![Copied { sent_at: self.now, answer: Some(answer) }],
            answered: Some(200),
        });
    }

    pub(super) fn effect(&mut self, call: &Call, attempt: u32, effect: Effect) {
        self.now += TICK_US;
        let (call, epoch, at) = (call.clone(), self.epoch, self.now);
        let ledger = self.evidence.ledgers.entry(service(&call).to_owned()).or_default();
        let seq = ledger.len() as i64 + 1;
        ledger.push(Entry { seq, saga: SAGA, call, effect, epoch, attempt, at });
    }

    pub(super) fn adopted(&mut self) {
        self.epoch += 1;
        self.event(Event::Adopted);
    }

    pub(super) fn fails(&mut self, step: &str, how: &str) {
        self.json(json!({ "kind": "step_failed", "step": step, "how": how }));
        self.json(json!({ "kind": "compensation_started", "cause": { "kind": "step_failed", "step": step } }));
        self.evidence.orders.insert(SAGA, "rejected".to_owned());
    }

    pub(super) fn journal(&mut self) -> &mut Vec<Recorded> {
        &mut self.evidence.sagas[0].journal
    }

    pub(super) fn ledger(&mut self, service: &str) -> &mut Vec<Entry> {
        self.evidence.ledgers.get_mut(service).expect("it wrote something")
    }
}

fn service(call: &Call) -> &'static str {
    match call.step.as_str() {
        "take" => "money",
        "send" => "post",
        _ => "stock",
    }
}

/// All four steps, the second after a lost reply and an adoption.
pub(super) fn completed() -> Story {
    let mut story = Story::begin();
    story.attempt(&Call::action("hold"), 1, Comes::Done);
    story.attempt(&Call::action("take"), 1, Comes::LostReply);
    story.adopted();
    story.attempt(&Call::action("take"), 2, Comes::Replayed);
    story.attempt(&Call::action("send"), 1, Comes::Done);
    story.attempt(&Call::action("close"), 1, Comes::Done);
    story.event(Event::SagaCompleted {});
    story
}

/// The second step is lost for good, perhaps applied: both are undone, in reverse order.
pub(super) fn compensated(lost: Comes) -> Story {
    let mut story = turned_back(lost);
    let undo = if matches!(lost, Comes::LostReply) { Comes::Done } else { Comes::Null };
    story.attempt(&Call::compensate("take"), 1, undo);
    story.attempt(&Call::compensate("hold"), 1, Comes::Done);
    story.event(Event::SagaCompensated);
    story
}

/// As [`compensated`], before anything is undone.
pub(super) fn turned_back(lost: Comes) -> Story {
    let mut story = Story::begin();
    story.attempt(&Call::action("hold"), 1, Comes::Done);
    story.attempt(&Call::action("take"), 1, lost);
    story.fails("take", "unresolved");
    story
}

/// The second step is rejected: only the first is undone.
pub(super) fn rejected() -> Story {
    let mut story = Story::begin();
    story.attempt(&Call::action("hold"), 1, Comes::NotSent);
    story.attempt(&Call::action("hold"), 2, Comes::Done);
    story.attempt(&Call::action("take"), 1, Comes::Rejected);
    story.fails("take", "rejected");
    story.attempt(&Call::compensate("hold"), 1, Comes::Done);
    story.event(Event::SagaCompensated);
    story
}
