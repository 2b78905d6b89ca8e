//! Which request is to suffer what. A plan is a list of rules; the first one that fits fires, and counts it.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::wire::WireRequest;
use crate::words::Op;

/// What happens to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Waits, then passes it on, whether or not the sender still listens.
    Delay(Duration),
    /// As [`Action::Delay`], until the test opens the gate.
    Gated,
    /// Nothing of it reaches the participant, and the connection is reset.
    CutBeforeRequest,
    /// Only its first bytes reach the participant, then both connections close.
    CutWithinRequest(usize),
    /// The participant gets it and answers; the answer is lost.
    CutAfterRequest,
    /// Only the first bytes of the answer come back.
    CutWithinResponse(usize),
    /// The participant gets it so many times; the first answer goes back.
    Duplicate { copies: u32, at_once: bool },
    /// The first one goes as usual (`lost`: the connection is reset and nothing goes), a copy goes that much later.
    ReplayLate { after: Duration, lost: bool },
    /// As [`Action::ReplayLate`], and the copy goes when the test releases it.
    Hold { lost: bool },
    /// Nothing comes back, until the sender gives up; it goes when the test releases it.
    Keep,
    /// Answers itself, with the ack that makes it the participant's definite word; the participant gets nothing.
    Acked(u16),
    /// Answers itself; the participant gets nothing.
    Status(u16, String),
    /// As [`Action::Status`], with this `Retry-After`.
    NotNow(u16, String),
    /// Answers itself with this status and this word of `saga-refused`, which is no outcome; the participant gets nothing.
    Refused(u16, &'static str),
    /// The participant gets it, but the sender hears this instead: a gateway that gave up too early.
    StatusInstead(u16, String),
    /// Nothing goes on and nothing comes back, until the sender gives up.
    Blackhole,
}

/// Which requests suffer it.
#[derive(Clone, Debug)]
pub struct Rule {
    step: Option<String>,
    op: Option<Op>,
    /// It is about probes, and about nothing else.
    probes: bool,
    attempts: RangeInclusive<u32>,
    nth: RangeInclusive<u64>,
    chance: Option<(f64, u64)>,
    action: Action,
}

impl Rule {
    /// Every request suffers it.
    pub fn every(action: Action) -> Self {
        Self { step: None, op: None, probes: false, attempts: 1..=u32::MAX, nth: 1..=u64::MAX, chance: None, action }
    }

    /// The actions of this step do.
    pub fn action_of(step: &str, action: Action) -> Self {
        Self { step: Some(step.to_owned()), op: Some(Op::Action), ..Self::every(action) }
    }

    /// The compensations of this step do.
    pub fn compensation_of(step: &str, action: Action) -> Self {
        Self { op: Some(Op::Compensate), ..Self::action_of(step, action) }
    }

    /// The probes of this step do; which of them, [`Rule::nth`] says.
    pub fn probe_of(step: &str, action: Action) -> Self {
        Self { step: Some(step.to_owned()), probes: true, ..Self::every(action) }
    }

    /// Only these attempts of a call.
    pub fn attempts(self, attempts: RangeInclusive<u32>) -> Self {
        Self { attempts, ..self }
    }

    /// Only these of all requests that fit otherwise, counted from 1.
    pub fn nth(self, nth: RangeInclusive<u64>) -> Self {
        Self { nth, ..self }
    }

    /// Only this share of them. The die is a hash of seed, key, attempt and epoch, so that the order in which requests
    /// happen to arrive changes nothing.
    pub fn chance(self, share: f64, seed: u64) -> Self {
        Self { chance: Some((share, seed)), ..self }
    }

    fn fits(&self, request: &WireRequest) -> bool {
        !self.probes
            && self.step.as_ref().is_none_or(|step| *step == request.call.call.step)
            && self.op.is_none_or(|op| op == request.call.call.op)
            && self.attempts.contains(&request.attempt)
            && self.chance.is_none_or(|(share, seed)| die(seed, request) < share)
    }
}

/// A number in [0, 1) that depends on nothing but the seed and which attempt this is.
fn die(seed: u64, request: &WireRequest) -> f64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(format!("{} {} {}", request.call, request.attempt, request.epoch));
    let digest = hash.finalize();
    let bits = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

/// A rule in force. What it did is asked here.
#[derive(Clone, Debug)]
pub struct Injected(Arc<Armed>);

#[derive(Debug)]
struct Armed {
    rule: Rule,
    fitted: AtomicU64,
    fired: AtomicU64,
}

impl Injected {
    /// How often it fired so far.
    pub fn fired(&self) -> u64 {
        self.0.fired.load(Ordering::SeqCst)
    }

    /// Fails unless it fired so often: a fault that was not there proves nothing.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn assert_fired(&self, times: u64) {
        assert_eq!(self.fired(), times, "times that {:?} fired", self.0.rule);
    }

    /// Fails unless it fired at least so often.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn assert_fired_at_least(&self, times: u64) {
        assert!(self.fired() >= times, "{:?} fired {} times, not {times}", self.0.rule, self.fired());
    }
}

/// The rules of one proxy.
#[derive(Debug, Default)]
pub(super) struct Plan(Mutex<Vec<Injected>>);

impl Plan {
    pub(super) fn inject(&self, rule: Rule) -> Injected {
        let injected = Injected(Arc::new(Armed { rule, fitted: AtomicU64::new(0), fired: AtomicU64::new(0) }));
        self.rules().push(injected.clone());
        injected
    }

    pub(super) fn heal(&self) {
        self.rules().clear();
    }

    /// What this request suffers, if anything.
    pub(super) fn verdict(&self, request: &WireRequest) -> Option<Action> {
        self.first(|rule| rule.fits(request))
    }

    /// What a probe of this step suffers, if anything.
    pub(super) fn of_probe(&self, step: &str) -> Option<Action> {
        self.first(|rule| rule.probes && rule.step.as_deref() == Some(step))
    }

    fn first(&self, fits: impl Fn(&Rule) -> bool) -> Option<Action> {
        let rules = self.rules();
        let fires = |injected: &&Injected| {
            let armed = &injected.0;
            fits(&armed.rule) && armed.rule.nth.contains(&(armed.fitted.fetch_add(1, Ordering::SeqCst) + 1))
        };
        let injected = rules.iter().find(fires)?;
        injected.0.fired.fetch_add(1, Ordering::SeqCst);
        Some(injected.0.rule.action.clone())
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Injected>> {
        self.0.lock().expect("invariant: nobody panics under this lock")
    }
}
