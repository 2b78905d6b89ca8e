//! What may happen next in a family, and to whom. The first turn is what happens in fine weather.
//!
//! What a saga does by itself (it sends, it writes a note, it makes a child) is done at once, one after the other: nobody else sees
//! in which order. What comes from elsewhere, answers and notes, comes in every order. Time passes when nothing else does.

use amends_core::Errand;

use super::{Family, Models, errands::said};
use crate::{
    choices::{Choice, Gone, choices, comes, faults, is_silence, wire},
    model::Model,
    node::Node,
};

/// Something that happens to one saga of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) saga: u16,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// As to a saga without a family.
    Own(Choice),
    /// The first thing that is owed to the family is done.
    Errand,
    /// It is done, and the process dies before it has written down what follows.
    ErrandThenCrash,
    /// The process falls asleep as it is about to make a child, and another one takes over.
    AsleepAtBegin,
    /// It wakes up, and makes it.
    LateBegin(u16),
    /// A note is heard.
    Hear(u16),
    HearTwice(u16),
    /// One process drives them all, and dies.
    CrashAll(Gone),
}

fn place(nth: usize) -> u16 {
    u16::try_from(nth).unwrap_or(u16::MAX)
}

fn own(nth: usize, choice: Choice) -> Turn {
    Turn { saga: place(nth), what: What::Own(choice) }
}

/// All that may happen at a moment, with its cost in faults. Nearly every saga is nobody's child and has none: what may happen to
/// it is not written down a second time.
pub(crate) enum Turns {
    Alone(Vec<(Choice, u8)>),
    Family(Vec<(Turn, u8)>),
}

impl Turns {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Alone(choices) => choices.len(),
            Self::Family(turns) => turns.len(),
        }
    }

    pub(crate) fn get(&self, nth: usize) -> Option<(Turn, u8)> {
        match self {
            Self::Alone(choices) => choices.get(nth).map(|(choice, cost)| (own(0, *choice), *cost)),
            Self::Family(turns) => turns.get(nth).copied(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Turn, u8)> {
        (0..self.len()).filter_map(|nth| self.get(nth))
    }
}

/// All that may happen at this moment. None: the run has ended.
pub(crate) fn turns(models: &Models<'_>, family: &Family) -> Turns {
    family.look_at_plan(models);
    if models.are_one() {
        return Turns::Alone(choices(models.root(), &family.root));
    }
    let mut turns = Vec::new();
    let ended = family.has_ended();
    if ended {
        after_the_end(family, &mut turns);
    } else {
        benign(models, family, &mut turns);
    }
    if family.root.budget > 0 && !ended {
        all_faults(models, family, &mut turns);
    }
    Turns::Family(turns)
}

/// What was kept on its way arrives.
fn after_the_end(family: &Family, turns: &mut Vec<(Turn, u8)>) {
    if !family.asleep.is_empty() {
        turns.push((Turn { saga: 0, what: What::LateBegin(0) }, 0));
    } else if let Some((nth, which)) = family.sagas().find_map(|(nth, node)| Some((nth, node.last_to_arrive()?))) {
        turns.push((own(nth, Choice::Late(u8::try_from(which).unwrap_or(u8::MAX))), 0));
    }
}

fn benign(models: &Models<'_>, family: &Family, turns: &mut Vec<(Turn, u8)>) {
    for (nth, node) in family.sagas().filter(|(_, node)| !node.look.ended) {
        let what = match &node.look {
            look if look.lock => What::Own(Choice::TakeLock),
            look if !look.unsent.is_empty() => What::Own(Choice::Send),
            look if !look.errands.is_empty() => What::Errand,
            _ => continue,
        };
        turns.push((Turn { saga: place(nth), what }, 0));
        return;
    }
    let mut heard = Vec::new();
    for (nth, node) in busy(family) {
        wire(family.model(models, nth), node, &mut heard);
        turns.extend(heard.drain(..).map(|(choice, cost)| (own(nth, choice), cost)));
    }
    for (which, letter) in family.letters.iter().enumerate() {
        turns.push((Turn { saga: place(letter.to), what: What::Hear(place(which)) }, 0));
    }
    if turns.is_empty() {
        quiet(models, family, turns);
    }
    for which in 0..family.asleep.len() {
        turns.push((Turn { saga: 0, what: What::LateBegin(place(which)) }, 0));
    }
}

/// Sagas with something on the wire.
fn busy(family: &Family) -> impl Iterator<Item = (usize, &Node)> {
    family.sagas().filter(|(_, node)| !node.wire.is_empty() && !node.look.ended)
}

/// Nothing is under way: whoever is waited for comes, or time passes until something is due for somebody.
fn quiet(models: &Models<'_>, family: &Family, turns: &mut Vec<(Turn, u8)>) {
    let mut come = Vec::new();
    for (nth, node) in family.sagas().filter(|(_, node)| !node.look.ended) {
        comes(family.model(models, nth), node, &mut come);
        turns.extend(come.drain(..).map(|(choice, cost)| (own(nth, choice), cost)));
    }
    if let Some((nth, node)) = next_due(family)
        && (turns.is_empty() || !is_silence(node))
    {
        turns.push((own(nth, Choice::Wake), 0));
    }
    if turns.is_empty() && family.asleep.is_empty() {
        after_the_end(family, turns);
    }
}

/// For whom time passes first.
fn next_due(family: &Family) -> Option<(usize, &Node)> {
    let due = family.sagas().filter(|(_, node)| !node.look.ended && node.look.wake.is_some());
    due.min_by_key(|(_, node)| node.look.wake)
}

fn all_faults(models: &Models<'_>, family: &Family, turns: &mut Vec<(Turn, u8)>) {
    let at_work = |node: &Node| !node.look.unsent.is_empty() || !node.look.errands.is_empty() || node.look.lock;
    let works = family.sagas().any(|(_, node)| at_work(node));
    let calm = !works && busy(family).next().is_none() && family.letters.is_empty();
    let first = next_due(family).map(|(nth, _)| nth);
    let mut own_faults = Vec::new();
    for (nth, node) in family.sagas().filter(|(_, node)| !node.look.ended) {
        faults(family.model(models, nth), node, &mut own_faults);
        for (choice, cost) in own_faults.drain(..) {
            let now = match choice {
                Choice::Silence => calm && first == Some(nth),
                Choice::Wake => first == Some(nth),
                _ => true,
            };
            let turn = own(nth, choice);
            if now && !turns.iter().any(|(known, _)| *known == turn) {
                turns.push((turn, cost));
            }
        }
        let others = first == Some(nth) && node.wire.is_empty() && !calm && !works;
        if others && !is_silence(node) {
            turns.push((own(nth, Choice::Wake), 1));
        }
        let asleep = match node.look.errands.first() {
            Some(Errand::Begin { .. }) => Some(What::AsleepAtBegin),
            Some(Errand::Settle { .. } | Errand::ReportUndone) => Some(What::ErrandThenCrash),
            _ => None,
        };
        turns.extend(asleep.map(|what| (Turn { saga: place(nth), what }, 1)));
    }
    for (which, letter) in family.letters.iter().enumerate() {
        turns.push((Turn { saga: place(letter.to), what: What::HearTwice(place(which)) }, 1));
    }
    if family.sagas().filter(|(_, node)| !node.look.ended).count() > 1 {
        let ways: &[Gone] =
            if busy(family).next().is_some() { &[Gone::Done, Gone::Lost, Gone::Late] } else { &[Gone::Done] };
        turns.extend(ways.iter().map(|gone| (Turn { saga: 0, what: What::CrashAll(*gone) }, 1)));
    }
}

impl Turn {
    /// It happens because a plan says so.
    pub(crate) fn is_given(self) -> bool {
        matches!(self.what, What::Own(Choice::Given(..) | Choice::GivenProbe(_)))
    }

    /// The same words in every run: traces are made of them.
    pub(crate) fn label(self, models: &Models<'_>, family: &Family) -> String {
        family.look_at_plan(models);
        let nth = usize::from(self.saga);
        let (model, node): (&Model<'_>, &Node) = (family.model(models, nth), family.node(nth));
        let path = family.path(nth);
        let letter =
            |which: u16| family.letters.get(usize::from(which)).map(|letter| said(&letter.input)).unwrap_or_default();
        let child = |which: u16| {
            let asleep = family.asleep.get(usize::from(which));
            let parent = asleep.and_then(|asleep| asleep.with.parent.as_ref());
            parent.map(super::step).unwrap_or_default()
        };
        match self.what {
            What::Own(choice) => format!("{path}{}", choice.label(model, node)),
            What::Errand => format!("{path}family"),
            What::ErrandThenCrash => format!("{path}family, and crash"),
            What::AsleepAtBegin => format!("{path}family: asleep"),
            What::LateBegin(which) => format!("{} begins late", child(which)),
            What::Hear(which) => format!("{path}hears: {}", letter(which)),
            What::HearTwice(which) => format!("{path}hears twice: {}", letter(which)),
            What::CrashAll(gone) => {
                let gone = match gone {
                    Gone::Done => "done",
                    Gone::Lost => "lost",
                    Gone::Late => "on its way",
                };
                format!("crash of all: {gone}")
            }
        }
    }
}
