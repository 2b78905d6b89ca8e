//! One moment of a run: where the saga stands, what is on the wire, what the services have done, and what the judge has noted.
//! It is cloned at every fork, so it is small.

use amends_core::{Errand, definition::StepIx, state::State, time::Time};

use crate::{
    look::Look,
    model::{Key, Unit},
};

#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) state: State,
    pub(crate) now: Time,
    /// Of each unit that was ever called.
    pub(crate) units: Vec<(Unit, Book)>,
    /// Attempts that are sent and not answered.
    pub(crate) wire: Vec<Flight>,
    /// Requests that the network has kept, and that will arrive.
    pub(crate) late: Vec<Kept>,
    /// Calls that befalls the same, until they are healed.
    pub(crate) outages: Vec<(Key, Fate)>,
    /// The highest epoch that each service has seen.
    pub(crate) fences: Vec<u64>,
    pub(crate) watch: Watch,
    pub(crate) look: Look,
    /// When a process took the saga over, if one did.
    pub(crate) adopted_at: Option<Time>,
    /// So many faults may still befall it.
    pub(crate) budget: u8,
    pub(crate) used: Used,
    /// Errands that were run and are still owed: once is enough, for one owner.
    pub(crate) ran: Vec<Errand>,
    /// Of each call that runs a child: what the journal says of it.
    pub(crate) kids: Vec<(Unit, Kid)>,
    /// Before the last commit; only for a process that sends before it writes.
    pub(crate) before: Option<Box<Before>>,
}

/// What was durable, and what was read of it.
#[derive(Clone)]
pub(crate) struct Before {
    pub(crate) state: State,
    pub(crate) watch: Watch,
    pub(crate) units: Vec<(Unit, Book)>,
}

/// What has befallen the run as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Used {
    pub(crate) deadline: bool,
    /// A signal or a verdict did not come.
    pub(crate) silence: bool,
    /// Signals that were acknowledged.
    pub(crate) signals: u8,
}

/// One attempt on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    pub(crate) key: Key,
    pub(crate) attempt: u32,
    pub(crate) epoch: u64,
    /// A compensation that does not know what it would know with the action's reply.
    pub(crate) blind: bool,
}

/// An attempt that the network has kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kept {
    pub(crate) flight: Flight,
    pub(crate) arrives: Arrives,
}

/// When what the network has kept arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Arrives {
    AtAnyTime,
    /// Before this time: the process died while it was on its way, and nothing held it up.
    Before(Time),
    /// A plan says when.
    At(Time),
    /// A plan says: once the compensation of its call has been answered.
    OnceUndone,
}

impl Kept {
    /// By then it has arrived.
    pub(crate) fn by(&self) -> Option<Time> {
        match self.arrives {
            Arrives::Before(at) | Arrives::At(at) => Some(at),
            Arrives::AtAnyTime | Arrives::OnceUndone => None,
        }
    }

    /// It may arrive now.
    pub(crate) fn may_arrive(&self) -> bool {
        matches!(self.arrives, Arrives::AtAnyTime | Arrives::Before(_))
    }
}

/// What becomes of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fate {
    Done,
    /// 202: its verdict comes later.
    Accepted,
    Refused,
    /// Refused, and the network delivers a copy later, when nobody would refuse it.
    RefusedKept,
    NotSent,
    /// It never arrives.
    Lost,
    /// It arrives later.
    Late,
    /// It is done, and nobody hears of it.
    ReplyLost,
    /// It is done, and a copy arrives later.
    Doubled,
    /// It is done, and the answer says nothing that could be used.
    Useless,
    /// Its verdict is called back before the 202 is read.
    CalledBackFirst,
    /// It is accepted, and nobody reads the 202.
    AcceptedUnheard,
    /// A true owner is told that it is none.
    Fenced,
    // ---- the same for every attempt, until somebody was asked to look
    Down,
    Silent,
    Mute,
}

impl Fate {
    /// It befalls every attempt of the call.
    pub(crate) fn lasts(self) -> bool {
        matches!(self, Self::Down | Self::Silent | Self::Mute)
    }
}

/// The action's row of a participant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Row {
    #[default]
    None,
    Done,
    Accepted,
    Rejected {
        epoch: u64,
        attempt: u32,
    },
    Tombstone,
}

/// Of one step or item: the participant's ledger, and what the judge has read in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Book {
    pub(crate) row: Row,
    pub(crate) applied: u8,
    pub(crate) undone: u8,
    /// A compensation has been there.
    pub(crate) undo_came: bool,
    /// The compensation's row: its answer is stored.
    pub(crate) undo_stored: bool,
    /// What a service without a barrier did to it is known, and was told.
    pub(crate) blamed: bool,
    /// It was asked to undo what it does not know, and refused.
    pub(crate) nothing_refused: bool,
    pub(crate) read: Read,
}

/// What the journal says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Read {
    pub(crate) intended: u32,
    pub(crate) undo_intended: u32,
    pub(crate) open: bool,
    pub(crate) undo_open: bool,
    pub(crate) accepted: bool,
    /// It happened, or may have.
    pub(crate) may: bool,
    /// An attempt is unknown, and nobody has said that it was not applied.
    pub(crate) in_doubt: bool,
    pub(crate) succeeded: bool,
    pub(crate) undone: bool,
}

/// What the journal says of a child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Kid {
    /// It may be there.
    pub(crate) pinned: bool,
    pub(crate) succeeded: bool,
    /// It ran when undoing began: it is told at once, whatever else is under way.
    pub(crate) cancelled: bool,
    /// It has said that it is undone.
    pub(crate) undone: bool,
    /// It was told that nothing undoes it any more.
    pub(crate) settled: bool,
}

/// What the judge has read of the saga as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    pub(crate) seq: u64,
    pub(crate) epoch: u64,
    pub(crate) at: Time,
    pub(crate) undoing: bool,
    pub(crate) ended: bool,
    /// Its forward path is done.
    pub(crate) succeeded: bool,
    pub(crate) pivot_intended: bool,
    /// The pivot did not happen, for certain.
    pub(crate) pivot_settled: bool,
    pub(crate) signals: u8,
    pub(crate) done: Steps,
}

/// A set of steps, of which there are at most 200.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Steps([u64; 4]);

impl Steps {
    pub(crate) fn add(&mut self, step: StepIx) {
        self.0[(step >> 6) & 3] |= 1 << (step & 63);
    }

    pub(crate) fn has(&self, step: StepIx) -> bool {
        self.0[(step >> 6) & 3] >> (step & 63) & 1 == 1
    }
}

impl Node {
    pub(crate) fn book(&self, unit: Unit) -> Book {
        self.units.iter().find(|(known, _)| *known == unit).map(|(_, book)| *book).unwrap_or_default()
    }

    pub(crate) fn book_mut(&mut self, unit: Unit) -> &mut Book {
        let at = self.units.iter().position(|(known, _)| *known == unit).unwrap_or_else(|| {
            self.units.push((unit, Book::default()));
            self.units.len() - 1
        });
        &mut self.units[at].1
    }

    pub(crate) fn kid_mut(&mut self, unit: Unit) -> &mut Kid {
        let at = self.kids.iter().position(|(known, _)| *known == unit).unwrap_or_else(|| {
            self.kids.push((unit, Kid::default()));
            self.kids.len() - 1
        });
        &mut self.kids[at].1
    }

    /// Of a step, with all its items.
    pub(crate) fn books(&self, step: StepIx) -> impl Iterator<Item = (Unit, &Book)> {
        self.units.iter().filter(move |(unit, _)| usize::from(unit.step) == step).map(|(unit, book)| (*unit, book))
    }

    /// What arrives in the end, when nothing else happens.
    pub(crate) fn last_to_arrive(&self) -> Option<usize> {
        self.late.iter().position(|kept| kept.arrives != Arrives::OnceUndone)
    }

    pub(crate) fn outage(&self, key: Key) -> Option<Fate> {
        self.outages.iter().find(|(known, _)| *known == key).map(|(_, fate)| *fate)
    }
}
