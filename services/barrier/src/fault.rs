//! Failure injection. **Off unless asked for**, and nothing here is of use to a service that should work.
//!
//! Why it exists: the worst moment for a participant to die is between its commit and its reply, and nobody can hit it
//! from outside. `--abort-after-commit` hits it from inside. With the feature `testing` two more things can be done:
//! pausing a transaction between its insert and its commit, and switching one [`Rule`] off, which is how the
//! conformance suite shows that it would notice.
//!
//! **What it must never know:** how a store works. The store asks at the places where something may be injected.

#[cfg(feature = "testing")]
use std::sync::Mutex;
use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use amends_protocol::participant::Op;
#[cfg(feature = "testing")]
use tokio::sync::{oneshot, watch};

use crate::call::Call;

/// One promise of the barrier, as a thing that a test may break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A row is claimed by inserting it, inside the transaction. Off: look first, then write.
    InsertAsLock,
    /// A compensation leaves a tombstone on its action.
    Tombstone,
    /// An epoch below the highest seen is refused.
    Fence,
    /// The same key with other bytes is refused.
    OtherBody,
    /// A rejection is replayed to everything that is not a later attempt.
    StoredRejection,
    /// A refusal takes the business change back.
    Savepoint,
    /// The token of an accepted action is kept with its 202.
    KeptToken,
    /// The refusal of what was accepted holds for every attempt.
    FinalRefusal,
    /// The rows of an ended saga stay for a while.
    Grace,
    /// Naming a saga as ended again changes nothing.
    FirstMark,
    /// Only sagas that were named go.
    OnlyNamed,
    /// All rows of a saga go together.
    WholeSaga,
}

/// What is to go wrong in one barrier.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    abort: Option<Arc<AbortAfterCommit>>,
    #[cfg(feature = "testing")]
    pause: Pause,
    #[cfg(feature = "testing")]
    off: Option<Rule>,
}

impl Faults {
    /// Die as told by the flag.
    pub fn abort(abort: AbortAfterCommit) -> Self {
        Self {
            abort: Some(Arc::new(abort)),
            #[cfg(feature = "testing")]
            pause: Pause::default(),
            #[cfg(feature = "testing")]
            off: None,
        }
    }

    /// Pauses on demand, one rule broken.
    #[cfg(feature = "testing")]
    pub fn testing(pause: Pause, off: Option<Rule>) -> Self {
        Self { abort: None, pause, off }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn holds(&self, rule: Rule) -> bool {
        self.off != Some(rule)
    }

    #[cfg(not(feature = "testing"))]
    pub(crate) fn holds(&self, _: Rule) -> bool {
        true
    }

    /// The rule that is broken, by its name, for a store whose rules are not in Rust; empty: none.
    #[cfg(feature = "redis")]
    pub(crate) fn off(&self) -> String {
        #[cfg(feature = "testing")]
        return self.off.map_or_else(String::new, |rule| format!("{rule:?}"));
        #[cfg(not(feature = "testing"))]
        String::new()
    }

    /// Asked right before a call's transaction begins.
    #[cfg(feature = "testing")]
    pub(crate) fn before_begin(&self) {
        self.pause.arrivals.send_modify(|arrivals| *arrivals += 1);
    }

    #[cfg(not(feature = "testing"))]
    pub(crate) fn before_begin(&self) {}

    /// Asked between the insert and the commit.
    #[cfg(feature = "testing")]
    pub(crate) async fn before_commit(&self) {
        self.pause.stop().await;
    }

    #[cfg(not(feature = "testing"))]
    pub(crate) async fn before_commit(&self) {}

    /// Asked right after a commit that judged a call (a replay commits nothing), before anything is answered.
    pub(crate) fn after_commit(&self, call: &Call) {
        if let Some(abort) = self.abort.as_ref().filter(|abort| abort.is_due(call)) {
            let key = call.key();
            tracing::error!(key, ?abort, "fault injected: committed, and dying before the reply");
            std::process::abort();
        }
    }
}

/// `STEP[:op[:nth]]`: the process aborts right after the nth commit (from 1) of that step's action (or `compensate`).
#[derive(Debug)]
pub struct AbortAfterCommit {
    step: String,
    op: Op,
    nth: u32,
    seen: AtomicU32,
}

impl Clone for AbortAfterCommit {
    /// Starts counting anew.
    fn clone(&self) -> Self {
        Self { step: self.step.clone(), op: self.op, nth: self.nth, seen: AtomicU32::new(0) }
    }
}

impl AbortAfterCommit {
    fn is_due(&self, call: &Call) -> bool {
        let headers = call.headers();
        headers.step == self.step
            && headers.op == self.op
            && self.seen.fetch_add(1, Ordering::Relaxed).saturating_add(1) == self.nth
    }
}

impl FromStr for AbortAfterCommit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let step = parts.next().filter(|step| !step.is_empty()).ok_or("a step's name is missing")?.to_owned();
        let op = match parts.next() {
            None | Some("action") => Op::Action,
            Some("compensate") => Op::Compensate,
            Some(other) => return Err(format!("{other:?} is neither action nor compensate")),
        };
        let nth = parts.next().map_or(Ok(1), str::parse).map_err(|error| format!("nth: {error}"))?;
        match (nth, parts.next()) {
            (0, _) => Err("nth counts from 1".to_owned()),
            (_, Some(rest)) => Err(format!("{rest:?} is too much: STEP[:op[:nth]]")),
            (_, None) => Ok(Self { step, op, nth, seen: AtomicU32::new(0) }),
        }
    }
}

/// Holds the next transaction between its insert and its commit.
#[cfg(feature = "testing")]
#[derive(Clone, Debug, Default)]
pub struct Pause {
    stop: Arc<Mutex<Option<Stop>>>,
    arrivals: Arc<watch::Sender<u32>>,
}

/// Says that the place is reached, and waits to go on.
#[cfg(feature = "testing")]
type Stop = (oneshot::Sender<()>, oneshot::Receiver<()>);

/// The test's end of a [`Pause`].
#[cfg(feature = "testing")]
#[derive(Debug)]
pub struct Paused {
    reached: oneshot::Receiver<()>,
    go_on: oneshot::Sender<()>,
}

#[cfg(feature = "testing")]
impl Pause {
    /// The next transaction that gets to its commit stops there.
    pub fn next(&self) -> Paused {
        let (reach, reached) = oneshot::channel();
        let (go_on, wait) = oneshot::channel();
        *self.stop.lock().expect("invariant: nobody panics under this lock") = Some((reach, wait));
        Paused { reached, go_on }
    }

    /// For a second barrier on the same store: never stops, counts arrivals with this one.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { stop: Arc::default(), arrivals: Arc::clone(&self.arrivals) }
    }

    /// Waits until so many calls in all have come to where their transaction begins.
    pub async fn arrived(&self, calls: u32) {
        let arrivals = self.arrivals.subscribe().wait_for(|arrivals| *arrivals >= calls).await.map(|count| *count);
        arrivals.expect("invariant: this pause holds the sender");
    }

    async fn stop(&self) {
        let armed = self.stop.lock().expect("invariant: nobody panics under this lock").take();
        if let Some((reach, wait)) = armed
            && reach.send(()).is_ok()
        {
            // A test that is gone lets the transaction go on.
            let _gone = wait.await;
        }
    }
}

#[cfg(feature = "testing")]
impl Paused {
    /// Waits until a transaction stands at its commit.
    pub async fn reached(&mut self) {
        (&mut self.reached).await.expect("invariant: the barrier keeps its pause");
    }

    /// Lets it commit.
    pub fn go_on(self) {
        let _gone = self.go_on.send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_says_step_op_and_count() {
        let parse = |text: &str| AbortAfterCommit::from_str(text).map(|abort| (abort.step, abort.op, abort.nth));
        assert_eq!(parse("charge"), Ok(("charge".into(), Op::Action, 1)));
        assert_eq!(parse("charge:compensate:3"), Ok(("charge".into(), Op::Compensate, 3)));
        for bad in ["", "charge:undo", "charge:action:0", "charge:action:x", "charge:action:1:2"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
