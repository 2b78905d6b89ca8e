//! A number for everything that decides how a run goes on. Two moments with the same number have the same future, but for the
//! faults that may still come. Times count as seen from now; a deadline that no run can reach by itself is only *far*.

use std::hash::{Hash, Hasher};

use amends_core::{
    Errand,
    state::{CallState, Life, Phase, State, StepState, Undoable, Waiting},
    time::Time,
};

use crate::{
    family::{Family, Models},
    model::Model,
    node::{Arrives, Node},
};

/// Two lanes of multiply and fold: enough bits that among billions of moments no two share one by chance.
struct Lanes(u64, u64);

const ONE: u64 = 0x9E37_79B9_7F4A_7C15;
const TWO: u64 = 0xC2B2_AE3D_27D4_EB4F;

impl Lanes {
    fn eat(&mut self, word: u64) {
        self.0 = fold(self.0 ^ word, ONE);
        self.1 = fold(self.1.rotate_left(23) ^ word, TWO);
    }
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64) ^ a.rotate_left(17)
}

impl Hasher for Lanes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.eat(u64::from_le_bytes(word));
        }
        self.eat(bytes.len() as u64);
    }

    fn write_u8(&mut self, word: u8) {
        self.eat(u64::from(word));
    }

    fn write_u16(&mut self, word: u16) {
        self.eat(u64::from(word));
    }

    fn write_u32(&mut self, word: u32) {
        self.eat(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.eat(word);
    }

    fn write_i64(&mut self, word: i64) {
        self.eat(word as u64);
    }

    fn write_usize(&mut self, word: usize) {
        self.eat(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.eat(word as u64);
    }
}

/// `far`: a deadline that is further away than this is never reached by itself.
pub(crate) fn of(model: &Model<'_>, node: &Node, far: Option<i64>) -> u128 {
    let mut hash = Lanes(0, 0);
    let from_now = |time: Time| (time.0 - node.now.0).max(0);
    state(&mut hash, model, &node.state, &from_now);
    let deadline = node.state.started.deadline_at.filter(|_| !node.watch.undoing && !node.watch.pivot_intended);
    deadline.map(from_now).map(|left| far.map_or(left, |far| left.min(far))).hash(&mut hash);
    // In whatever order they were called.
    let mut books = (0_u64, 0_u64);
    for (unit, book) in &node.units {
        let mut one = Lanes(1, 1);
        (unit, book).hash(&mut one);
        books = (books.0.wrapping_add(one.0), books.1.wrapping_add(one.1));
    }
    books.hash(&mut hash);
    node.wire.hash(&mut hash);
    for kept in &node.late {
        let arrives = match kept.arrives {
            Arrives::AtAnyTime => (0_u8, 0),
            Arrives::Before(at) => (1, from_now(at)),
            Arrives::At(at) => (2, from_now(at)),
            Arrives::OnceUndone => (3, 0),
        };
        (kept.flight, arrives).hash(&mut hash);
    }
    node.outages.hash(&mut hash);
    node.fences.hash(&mut hash);
    node.adopted_at.map(|at| (node.now.0 - at.0).min(120_000_000)).hash(&mut hash);
    let watch = &node.watch;
    (watch.epoch, watch.undoing, watch.ended, watch.pivot_intended, watch.pivot_settled, watch.done).hash(&mut hash);
    (node.used, watch.signals).hash(&mut hash);
    if !node.kids.is_empty() || node.state.started.parent.is_some() {
        kinship(&mut hash, model, node);
    }
    (u128::from(hash.0) << 64) | u128::from(hash.1)
}

/// What a saga knows of its family, and has done for it.
fn kinship(hash: &mut Lanes, model: &Model<'_>, node: &Node) {
    (node.state.settled, node.watch.succeeded).hash(hash);
    let mut all = (0_u64, 0_u64);
    let mut add = |one: Lanes| all = (all.0.wrapping_add(one.0), all.1.wrapping_add(one.1));
    for known in &node.kids {
        let mut one = Lanes(2, 2);
        known.hash(&mut one);
        add(one);
    }
    for errand in &node.ran {
        let (nth, call) = match errand {
            Errand::Pin { call } => (0_u8, Some(call)),
            Errand::Begin { call } => (1, Some(call)),
            Errand::Undo { call } => (2, Some(call)),
            Errand::Settle { call } => (3, Some(call)),
            Errand::ReportSuccess => (4, None),
            Errand::ReportUndone => (5, None),
        };
        let mut one = Lanes(3, 3);
        (nth, call.map(|call| model.key(call))).hash(&mut one);
        add(one);
    }
    all.hash(hash);
}

/// Of a whole family, in whatever order its sagas came.
pub(crate) fn of_family(models: &Models<'_>, family: &Family, far: Option<i64>) -> u128 {
    if family.is_alone() && family.spent.is_none() {
        return of(models.root(), &family.root, far);
    }
    let mut all = (0_u64, 0_u64);
    let mut add = |one: Lanes| all = (all.0.wrapping_add(one.0), all.1.wrapping_add(one.1));
    for (nth, node) in family.sagas() {
        let mut one = Lanes(4, 4);
        (node.state.saga, of(family.model(models, nth), node, far)).hash(&mut one);
        add(one);
    }
    for letter in &family.letters {
        let mut one = Lanes(5, 5);
        letter.id.hash(&mut one);
        add(one);
    }
    for asleep in &family.asleep {
        let mut one = Lanes(6, 6);
        asleep.child.hash(&mut one);
        add(one);
    }
    let mut hash = Lanes(0, 0);
    (all, &family.spent).hash(&mut hash);
    (u128::from(hash.0) << 64) | u128::from(hash.1)
}

fn state(hash: &mut Lanes, model: &Model<'_>, state: &State, from_now: &impl Fn(Time) -> i64) {
    (state.status, state.released, state.past_return, state.locks.taken, state.locks.queued.is_some()).hash(hash);
    for (ix, step) in model.truth.steps.iter().enumerate() {
        let Some(stands) = state.steps.get(&step.name) else { continue };
        ix.hash(hash);
        match stands {
            StepState::Skipped => 1_u8.hash(hash),
            StepState::Refused => 2_u8.hash(hash),
            StepState::Waiting(Waiting::Sleep { until }) => (3_u8, from_now(*until)).hash(hash),
            StepState::Waiting(Waiting::Signal { until, since, .. }) => {
                let before = state
                    .waits()
                    .filter(|(_, waiting)| matches!(waiting, Waiting::Signal { since: other, .. } if other < since));
                (4_u8, until.map(from_now), before.count()).hash(hash);
            }
            StepState::Calling(call) => {
                5_u8.hash(hash);
                of_call(hash, call, from_now);
            }
            StepState::Succeeded { .. } => 6_u8.hash(hash),
            StepState::Failed(how) => (7_u8, how.owes_undo(), *how as u8).hash(hash),
            StepState::Compensating { was, call } => {
                (8_u8, matches!(was, Undoable::Succeeded { .. }), matches!(was, Undoable::Unusable)).hash(hash);
                of_call(hash, call, from_now);
            }
            StepState::Compensated => 9_u8.hash(hash),
            StepState::Each(each) => {
                (10_u8, each.items.len(), each.output.is_some()).hash(hash);
                for life in &each.lives {
                    of_life(hash, life.as_ref(), from_now);
                }
            }
        }
    }
    for (call, reason) in &state.attention {
        (model.key(call), *reason as u8).hash(hash);
    }
    for received in &state.signals {
        (received.signal.as_str(), received.kept.is_some()).hash(hash);
    }
    for (call, back) in &state.callbacks {
        (model.key(call), back.verdict as u8).hash(hash);
    }
}

fn of_life(hash: &mut Lanes, life: Option<&Life>, from_now: &impl Fn(Time) -> i64) {
    match life {
        None => 0_u8.hash(hash),
        Some(Life::Calling(call)) => {
            1_u8.hash(hash);
            of_call(hash, call, from_now);
        }
        Some(Life::Succeeded { .. }) => 2_u8.hash(hash),
        Some(Life::Failed(how)) => (3_u8, *how as u8).hash(hash),
        Some(Life::Compensating { was, call }) => {
            (4_u8, matches!(was, Undoable::Succeeded { .. }), matches!(was, Undoable::Unusable)).hash(hash);
            of_call(hash, call, from_now);
        }
        Some(Life::Compensated) => 5_u8.hash(hash),
    }
}

fn of_call(hash: &mut Lanes, call: &CallState, from_now: &impl Fn(Time) -> i64) {
    (call.attempt, call.may_have_happened).hash(hash);
    match call.phase {
        Phase::Open { due_at } => (1_u8, from_now(due_at)).hash(hash),
        Phase::Accepted { until } => (2_u8, until.map(from_now)).hash(hash),
        Phase::Told { verdict } => (3_u8, verdict as u8).hash(hash),
        Phase::Closed => 4_u8.hash(hash),
        Phase::Postponed { until } => (5_u8, from_now(until)).hash(hash),
        Phase::Probing(probing) => {
            (6_u8, from_now(probing.due_at), probing.asked, probing.rejected).hash(hash);
            // How long ago nothing had left.
            probing.since.0.wrapping_sub(probing.due_at.0).hash(hash);
        }
        Phase::Applied => 7_u8.hash(hash),
        // Halted is no call here. Of a child, [`kinship`] has the rest.
        Phase::Halted | Phase::Child => 8_u8.hash(hash),
    }
}
