//! What one seed does to the engine: how many nodes there are, which sagas are started, what the weather is like and what
//! becomes of each node. Drawn before the run; only the weather throws dice as it goes.

use std::time::Duration;

use crate::{
    dice::{Dice, PerMille},
    sagas::{roots, script},
};

pub(crate) struct Plan {
    pub(crate) nodes: usize,
    pub(crate) sagas: Vec<Wanted>,
    pub(crate) weather: Weather,
    /// When it clears: from then on nothing goes wrong any more, and everything must come to its end.
    pub(crate) clears_after: Duration,
}

/// A saga that a client wants.
pub(crate) struct Wanted {
    pub(crate) name: &'static str,
    pub(crate) chance: u64,
    pub(crate) after_ms: u64,
    /// Another client starts it under the same key at another node.
    pub(crate) twice: bool,
    pub(crate) cancelled_after_ms: Option<u64>,
    /// `None`: never, if it awaits one.
    pub(crate) signalled_after_ms: Option<u64>,
}

/// How often what goes wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather {
    pub(crate) not_sent: PerMille,
    pub(crate) request_lost: PerMille,
    pub(crate) reply_lost: PerMille,
    /// A copy of a request comes late, up to seconds.
    pub(crate) late: PerMille,
    pub(crate) twice: PerMille,
    pub(crate) overloaded: PerMille,
    pub(crate) refuses: PerMille,
    pub(crate) unusable: PerMille,
    pub(crate) store_away: PerMille,
    pub(crate) answer_lost: PerMille,
    /// A write that was said to have failed is made all the same, later.
    pub(crate) write_late: PerMille,
    pub(crate) slow: PerMille,
    /// The whole store is away: from, until.
    pub(crate) outage: Option<(u64, u64)>,
}

/// What becomes of a node, at its n-th durable write or send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing it does reaches anybody any more.
    Dies,
    /// It stands still for so long: with its machine, whose clocks partly stand still with it, or alone.
    Pauses { ms: u64, machine: bool },
    /// It is asked to stop.
    Stops,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let dice = Dice::of(seed, 1);
        let nodes = usize::try_from(dice.between(2, 3)).expect("few");
        let mut kinds = roots();
        // Of many kinds of sagas few meet: those that want the same are alone in some runs.
        if dice.happens(120) {
            kinds.retain(|name| *name == "locked");
        }
        let wanted = |_| {
            let name = dice.one_of(&kinds);
            Wanted {
                name,
                chance: dice.next(),
                after_ms: dice.between(0, 400),
                twice: dice.happens(250),
                cancelled_after_ms: dice.happens(150).then(|| dice.between(0, 1_500)),
                signalled_after_ms: (script(name).awaits && !dice.happens(150)).then(|| dice.between(0, 2_500)),
            }
        };
        let sagas = (0..dice.between(1, 3)).map(wanted).collect();
        let weather = Weather::of(&dice);
        Self { nodes, sagas, weather, clears_after: Duration::from_millis(dice.between(1_500, 6_000)) }
    }
}

impl Weather {
    fn of(dice: &Dice) -> Self {
        // Of some seeds only one thing goes wrong, of some all of it.
        let often = |most: PerMille| if dice.happens(500) { dice.between(0, most) } else { 0 };
        Self {
            not_sent: often(200),
            request_lost: often(120),
            reply_lost: often(200),
            late: often(200),
            twice: often(200),
            overloaded: often(100),
            refuses: often(200),
            unusable: often(60),
            store_away: often(100),
            answer_lost: often(100),
            write_late: often(40),
            slow: often(60),
            outage: dice.happens(120).then(|| {
                let from = dice.between(50, 3_000);
                (from, from + dice.between(100, 3_000))
            }),
        }
    }
}

/// What becomes of one life of a node.
pub(crate) fn fates(seed: u64, slot: usize, life: u64) -> Vec<(u64, Fate)> {
    let dice = Dice::of(seed, 1_000 + 100 * slot as u64 + life);
    let mut fates = Vec::new();
    while dice.happens(if fates.is_empty() { 650 } else { 250 }) {
        let fate = match dice.between(0, 9) {
            0..=4 => Fate::Dies,
            5..=8 => Fate::Pauses { ms: dice.between(50, 5_000), machine: dice.happens(400) },
            _ => Fate::Stops,
        };
        fates.push((dice.between(3, 70), fate));
    }
    fates
}
