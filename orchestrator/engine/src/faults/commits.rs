//! Deaths around a commit, brought about where the engine hands an append to the store: all that an append needs to be told apart is
//! known there, and nowhere below.
//!
//! **It must never know** what is in an append but its events.

use amends_core::{
    event::{Event, Recorded},
    faults::{Fault, Moment, Saga, at_commit},
};
use amends_store::{Append, AppendError};

use super::{Faults, injected::die};
use crate::Engine;

impl Engine {
    /// Hands an append to the store; returns when it is durable, or why it is not. This process dies before or after it, if a
    /// rule says so.
    pub(crate) async fn append(&self, of: Saga<'_>, append: Append) -> Result<(), AppendError> {
        let Some(faults) = self.faults() else { return self.inner.committer.append(append).await };
        for moment in [Moment::Intent, Moment::Outcome] {
            faults.may_die(moment, of, &append.events);
        }
        let outcomes = append.events.clone();
        let appended = self.inner.committer.append(append).await;
        if appended.is_ok() {
            faults.may_die(Moment::Written, of, &outcomes);
        }
        appended
    }
}

impl Faults {
    fn may_die(&self, moment: Moment, of: Saga<'_>, events: &[Recorded]) {
        let Some(active) = self.active() else { return };
        let open = |number| active.take(number);
        let Some((number, rule, attempted)) = at_commit(&active.plan, moment, of, events, open) else { return };
        let Fault::Abort(point) = &rule.fault else { return };
        self.count(rule.fault.as_str());
        tracing::warn!(
            saga.id = %attempted.saga,
            step = attempted.step,
            op = attempted.op.as_str(),
            attempt = attempted.attempt,
            rule = rule.name,
            number = number + 1,
            fault = rule.fault.as_str(),
            point = point.as_str(),
            "a fault is injected"
        );
        let begins = matches!(events, [Recorded { event: Event::SagaStarted(_), .. }, ..]);
        die(match moment {
            Moment::Call => unreachable!("invariant: calls are not commits"),
            Moment::Intent if begins => "the attempt is decided, and neither its intent nor its saga is durable",
            Moment::Intent => "the attempt is decided, and neither its intent nor what it was decided upon is durable",
            Moment::Outcome => "what came of the attempt is known, and nothing was written of it",
            Moment::Written => "what came of the attempt is durable, and nothing was done about it",
        })
    }
}
