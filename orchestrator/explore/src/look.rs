//! What is owed now, as the engine would see it: what is to be sent, asked and waited for.

use amends_core::{
    Command, Errand, Input,
    ids::Op,
    outstanding,
    state::{Phase, Waiting},
    summary::Status,
    time::Time,
};

use crate::{
    feed::feed,
    model::{Key, Model},
    node::Node,
    setup::{Broken, Contract},
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    pub(crate) ended: bool,
    pub(crate) lock: bool,
    /// Due, and not on the wire.
    pub(crate) unsent: Vec<(Key, u32)>,
    /// What it owes its family, and has not done.
    pub(crate) errands: Vec<Errand>,
    /// Probes that are due.
    pub(crate) probes: Vec<(Key, u32)>,
    /// When something is due by itself.
    pub(crate) wake: Option<Time>,
    /// When the first wait for somebody else is over.
    pub(crate) silence: Option<Time>,
}

/// Withdraws what is not needed any more, and looks.
pub(crate) fn settle(model: &Model<'_>, node: &mut Node) {
    loop {
        let mut look = Look::default();
        let (mut withdrawn, mut owed) = (None, Vec::new());
        let undoing = node.state.status == Status::Compensating;
        let wake = |look: &mut Look, at: Time| look.wake = Some(look.wake.map_or(at, |before| before.min(at)));
        for command in outstanding(&model.decides, &node.state) {
            match command {
                Command::Finish => look.ended = true,
                Command::Lock { .. } => look.lock = true,
                Command::Family(errand) if node.ran.contains(&errand) => owed.push(errand),
                Command::Family(errand) => look.errands.push(errand),
                Command::Wake { at } => wake(&mut look, at),
                Command::Probe { call, attempt, due_at } if due_at <= node.now => {
                    look.probes.push((model.key(&call), attempt));
                }
                Command::Probe { due_at, .. } => wake(&mut look, due_at),
                Command::Call { call, attempt, due_at } => {
                    let key = model.key(&call);
                    let due_at = due_at.max(not_before(model, node, key));
                    if node.wire.iter().any(|flight| flight.key == key && flight.attempt == attempt) {
                        // It is under way.
                    } else if undoing && key.op == Op::Action {
                        withdrawn = Some(Input::Withdrawn { call, attempt });
                    } else if due_at <= node.now {
                        look.unsent.push((key, attempt));
                    } else {
                        wake(&mut look, due_at);
                    }
                }
            }
        }
        match withdrawn {
            Some(input) => {
                feed(model, node, input);
            }
            None => {
                let signals = node.state.waits().filter_map(|(_, waiting)| match waiting {
                    Waiting::Signal { until, .. } => *until,
                    Waiting::Sleep { .. } => None,
                });
                let verdicts = node.state.calls().filter_map(|(_, call)| match call.phase {
                    Phase::Accepted { until } => until,
                    _ => None,
                });
                // What is owed again later is another time.
                node.ran = owed;
                look.silence = signals.chain(verdicts).min();
                node.look = look;
                return;
            }
        }
    }
}

/// A plain service has no tombstone: an action that the dead owner sent must have had its time before it is undone.
fn not_before(model: &Model<'_>, node: &Node, key: Key) -> Time {
    let action = Key { op: Op::Action, ..key };
    match node.adopted_at {
        Some(adopted_at)
            if key.op == Op::Compensate
                && model.broken != Broken::NoWaitAfterAdoption
                && model.service(action).contract != Contract::Barrier =>
        {
            adopted_at + model.timeout(action)
        }
        _ => Time(i64::MIN),
    }
}
