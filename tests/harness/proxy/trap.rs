//! Moments at which somebody dies: the n-th request of a saga, before or after its participant has it. The request waits there
//! until the test has killed whom it wants to kill, so that the moment is exact and hangs on no clock.
//!
//! Many sagas are held at once, each at a moment of its own: one kill is then one for every moment.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::sync::watch;
use uuid::Uuid;

/// What becomes of the request that its sender did not live to see answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// The participant never gets it.
    Lost,
    /// The participant gets it when its sender is dead.
    Carried,
    /// The participant gets it when somebody has taken over.
    Late,
    /// The participant has answered, and nobody hears it.
    Answered,
}

impl Moment {
    pub const ALL: [Self; 4] = [Self::Lost, Self::Carried, Self::Late, Self::Answered];
}

/// Which request of a saga, counted from 1, and how.
pub type Point = (u64, Moment);

/// How far the test is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Armed,
    Killed,
    TakenOver,
}

/// Traps for many sagas. Cheap to clone; proxies that share it count together.
#[derive(Clone, Debug)]
pub struct Traps(Arc<Set>);

#[derive(Debug)]
struct Set {
    points: Vec<Point>,
    /// Steps whose requests are never late: they must not be sent twice, and their definition promises that nothing arrives when they
    /// have been asked after.
    punctual: &'static [&'static str],
    /// Steps whose requests pass and count for nothing: those of children, whose sagas have no point.
    passing: &'static [&'static str],
    seen: Mutex<BTreeMap<Uuid, Seen>>,
    phase: watch::Sender<Phase>,
}

#[derive(Debug)]
struct Seen {
    requests: u64,
    point: Point,
    sprung: bool,
}

/// A request in a trap.
#[derive(Debug)]
pub(super) struct Caught {
    moment: Moment,
    phase: watch::Receiver<Phase>,
}

impl Traps {
    /// One point for each saga, in the order in which they are first seen; further sagas begin again at the first point. Requests of
    /// the `punctual` steps are never late; those of the `passing` ones are not seen at all.
    ///
    /// # Panics
    /// There is no point.
    pub fn new(points: Vec<Point>, punctual: &'static [&'static str], passing: &'static [&'static str]) -> Self {
        assert!(!points.is_empty(), "a trap is somewhere");
        let phase = watch::Sender::new(Phase::Armed);
        Self(Arc::new(Set { points, punctual, passing, seen: Mutex::default(), phase }))
    }

    /// The sagas that are held now, or were.
    ///
    /// # Panics
    /// Never.
    pub fn sprung(&self) -> BTreeMap<Uuid, Point> {
        let seen = self.0.seen.lock().expect("invariant: nobody panics under this lock");
        seen.iter().filter(|(_, seen)| seen.sprung).map(|(saga, seen)| (*saga, seen.point)).collect()
    }

    /// The senders are dead: what they sent goes on, as far as it does. Nobody is caught any more.
    pub fn killed(&self) {
        self.0.phase.send_replace(Phase::Killed);
    }

    /// Somebody else goes on: now what was late arrives.
    pub fn taken_over(&self) {
        self.0.phase.send_replace(Phase::TakenOver);
    }

    /// Counts a request.
    pub(super) fn meet(&self, saga: Uuid, step: &str) -> Option<Caught> {
        let phase = self.0.phase.subscribe();
        if *phase.borrow() != Phase::Armed || self.0.passing.contains(&step) {
            return None;
        }
        let mut seen = self.0.seen.lock().expect("invariant: nobody panics under this lock");
        let number = seen.len();
        let point = self.0.points[number % self.0.points.len()];
        let seen = seen.entry(saga).or_insert(Seen { requests: 0, point, sprung: false });
        seen.requests += 1;
        let (nth, moment) = seen.point;
        if seen.requests != nth {
            return None;
        }
        seen.sprung = true;
        let moment = if moment == Moment::Late && self.0.punctual.contains(&step) { Moment::Carried } else { moment };
        Some(Caught { moment, phase })
    }
}

impl Caught {
    /// Waits before the participant gets it; `false`: it never does.
    pub(super) async fn before(&mut self) -> bool {
        let until = match self.moment {
            Moment::Answered => return true,
            Moment::Lost | Moment::Carried => Phase::Killed,
            Moment::Late => Phase::TakenOver,
        };
        self.wait(until).await;
        self.moment != Moment::Lost
    }

    /// Waits before its sender would hear of it.
    pub(super) async fn after(&mut self) {
        if self.moment == Moment::Answered {
            self.wait(Phase::Killed).await;
        }
    }

    async fn wait(&mut self, until: Phase) {
        // Whoever dropped the traps wants nobody to be held.
        let _let_go = self.phase.wait_for(|phase| *phase >= until).await;
    }
}
