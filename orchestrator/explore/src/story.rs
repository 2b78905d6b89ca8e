//! A run told to people: who sends what to whom, what the orchestrator writes down, and what the services have done.

use std::fmt::Write as _;

use amends_core::{
    Reply,
    event::{Cause, Event, Probed},
    ids::{CallId, Op},
    time::Time,
};
use serde::Serialize;

use crate::{
    family::Models,
    findings::Raised,
    model::{Key, Model, START, Undone},
    node::{Fate, Flight},
};

/// The one who drives the saga.
pub(crate) const AMENDS: &str = "amends";
pub(crate) const CLIENT: &str = "client";

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Milliseconds from the start, in virtual time.
    pub at_ms: u64,
    /// Whose it is, where there is more than one saga.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saga: Option<String>,
    pub from: String,
    /// `None`: nobody is spoken to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    pub text: String,
    /// Something goes wrong.
    pub fault: bool,
    /// It is written down by the orchestrator.
    pub journal: bool,
}

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Story {
    pub lines: Vec<Line>,
    /// How the saga ends, in a word.
    pub end: String,
    /// Of each step or item: done and undone so often.
    pub ledger: Vec<String>,
    /// What the judge says of it, as `CODE: message`.
    pub findings: Vec<String>,
}

impl Story {
    pub(crate) fn of(models: &Models<'_>, end: String, ledger: Vec<String>) -> Self {
        let findings = models.take_raised().into_iter().map(|(saga, Raised { code, message, .. })| {
            let saga = saga.map_or_else(String::new, |saga| format!("{saga}: "));
            format!("{}: {saga}{message}", code.as_str())
        });
        let mut told: Vec<String> = Vec::new();
        for finding in findings {
            if !told.contains(&finding) {
                told.push(finding);
            }
        }
        let lines = models.root().told.as_ref().map(|told| told.take()).unwrap_or_default();
        let lines = lines.into_iter().filter(|line| !line.text.is_empty() || line.to.is_some()).collect();
        Self { lines, end, ledger, findings: told }
    }
}

impl Line {
    pub(crate) fn new(now: Time, from: &str, to: Option<&str>, text: String) -> Self {
        let at_ms = u64::try_from(now.since(START).as_millis()).unwrap_or(u64::MAX);
        let (from, to) = (from.to_owned(), to.map(str::to_owned));
        Self { at_ms, saga: None, from, to, text, fault: false, journal: false }
    }

    /// Who speaks to whom. Where there is more than one saga, Amends speaks for one of them.
    pub fn people(&self) -> (String, Option<String>) {
        let person = |who: &str| match &self.saga {
            Some(saga) if who == AMENDS => format!("{AMENDS} ({saga})"),
            _ => who.to_owned(),
        };
        (person(&self.from), self.to.as_deref().map(person))
    }

    pub(crate) fn event(now: Time, text: Option<String>) -> Self {
        Self { journal: true, ..Self::new(now, AMENDS, None, text.unwrap_or_default()) }
    }

    pub(crate) fn client(now: Time, text: String) -> Self {
        Self::new(now, CLIENT, Some(AMENDS), text)
    }

    pub(crate) fn note(now: Time, text: String) -> Self {
        Self { fault: true, ..Self::new(now, AMENDS, None, text) }
    }

    pub(crate) fn request(now: Time, model: &Model<'_>, flight: Flight) -> Self {
        Self::new(now, AMENDS, Some(model.service(flight.key).name.as_str()), request(model, flight))
    }

    pub(crate) fn late(now: Time, model: &Model<'_>, flight: Flight) -> Self {
        let to = model.service(flight.key).name.as_str();
        Self { fault: true, ..Self::new(now, "network", Some(to), format!("{}, late", request(model, flight))) }
    }

    pub(crate) fn reply(now: Time, model: &Model<'_>, flight: Flight, fate: Fate, reply: &Reply) -> Self {
        let from = model.service(flight.key).name.as_str();
        let what = match fate {
            Fate::NotSent | Fate::Down => "it cannot be reached",
            Fate::Lost | Fate::Silent => "no answer: the request is lost",
            Fate::Late => "no answer: the request is still on its way",
            Fate::ReplyLost | Fate::Mute => "no answer: it was there, and the reply is lost",
            Fate::Doubled => "answered, and the network keeps a copy",
            Fate::RefusedKept => "refused, and the network keeps a copy",
            Fate::Useless => "answered with something useless",
            Fate::Fenced => "says that it has seen a newer owner",
            Fate::CalledBackFirst => "accepted, after the verdict",
            Fate::AcceptedUnheard => "no answer: it is accepted, and the 202 is lost",
            Fate::Done | Fate::Accepted | Fate::Refused => "",
        };
        let status = match reply {
            Reply::Answered(answer) => answer.status.to_string(),
            Reply::NotSent { .. } | Reply::Lost { .. } => String::new(),
        };
        let text =
            [status.as_str(), what].iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>().join(" ");
        let fault = !matches!(fate, Fate::Done | Fate::Accepted);
        Self { fault, ..Self::new(now, from, Some(AMENDS), text) }
    }

    /// An answer of which a plan has said what it is.
    pub(crate) fn planned_reply(now: Time, model: &Model<'_>, flight: Flight, reply: &Reply) -> Self {
        let from = model.service(flight.key).name.as_str();
        let text = match reply {
            Reply::Answered(answer) => answer.status.to_string(),
            Reply::NotSent { .. } => "it cannot be reached".to_owned(),
            Reply::Lost { .. } => "no answer".to_owned(),
        };
        Self { fault: true, ..Self::new(now, from, Some(AMENDS), text) }
    }

    pub(crate) fn callback(now: Time, model: &Model<'_>, key: Key, good: bool) -> Self {
        let text = format!("{} {}", model.words(key.unit), if good { "is done" } else { "is refused in the end" });
        Self { fault: !good, ..Self::new(now, model.service(key).name.as_str(), Some(AMENDS), text) }
    }

    pub(crate) fn probe(now: Time, model: &Model<'_>, key: Key, reply: Option<&Reply>) -> Self {
        let said = match reply {
            Some(Reply::Answered(answer)) => answer.status.to_string(),
            _ => "no answer".to_owned(),
        };
        let text = format!("was {} applied? {said}", model.words(key.unit));
        Self { fault: reply.is_none(), ..Self::new(now, AMENDS, Some(model.service(key).name.as_str()), text) }
    }
}

fn request(model: &Model<'_>, flight: Flight) -> String {
    let what = match flight.key.op {
        Op::Action => model.words(flight.key.unit),
        Op::Compensate => format!("undo {}", model.words(flight.key.unit)),
    };
    let again = if flight.attempt > 1 { format!(", attempt {}", flight.attempt) } else { String::new() };
    let none = model.step(flight.key.unit).undo == Undone::Nothing && flight.key.op == Op::Action;
    format!("{what}{again}{}", if none { " (compensate: none)" } else { "" })
}

/// What an event says, in few words; `None`: it is told by what happens around it.
pub(crate) fn event(event: &Event) -> Option<String> {
    let call = |call: &CallId| match call.op {
        Op::Action => call.index.map_or_else(|| call.step.to_string(), |index| format!("{}[{index}]", call.step)),
        Op::Compensate => {
            format!(
                "undo of {}",
                call.index.map_or_else(|| call.step.to_string(), |index| format!("{}[{index}]", call.step))
            )
        }
    };
    Some(match event {
        Event::SagaStarted(_) => "the saga starts".to_owned(),
        Event::Adopted => "a process takes the saga over".to_owned(),
        Event::Released => return None,
        Event::LockQueued { lock, .. } => format!("waits for lock {lock}"),
        Event::LockTaken { lock, .. } => format!("takes lock {lock}"),
        Event::CallIntended { .. } => return None,
        Event::CallAccepted { call: id, .. } => format!("{} is accepted, and waited for", call(id)),
        Event::CallbackReceived { .. } => return None,
        Event::CallSucceeded { call: id, .. } => format!("{} succeeded", call(id)),
        Event::CallUnusable { call: id, .. } => format!("{} happened, and its reply is of no use", call(id)),
        Event::CallRejected { call: id, .. } => format!("{} is rejected", call(id)),
        Event::CallNotSent { call: id, .. } => format!("{} was not sent", call(id)),
        Event::CallUnknown { call: id, .. } => format!("{} may have happened", call(id)),
        Event::CallWithdrawn { call: id, .. } => format!("{} is called back, unsent", call(id)),
        Event::CallPostponed { .. } | Event::ProbeIntended { .. } => return None,
        Event::CallProbed { call: id, verdict, .. } => match verdict {
            Probed::Applied => format!("{} was applied", call(id)),
            Probed::NotApplied => format!("{} was not applied", call(id)),
            Probed::NotAppliedYet | Probed::InProgress | Probed::Unknown => return None,
        },
        Event::CallRefused { call: id, reason } => format!("{} cannot be sent: {reason}", call(id)),
        Event::StepSkipped { step } => format!("{step} is skipped"),
        Event::StepRefused { step, reason } => format!("{step} cannot begin: {reason}"),
        Event::SleepStarted { step, .. } => format!("{step} sleeps"),
        Event::SleepEnded { step } => format!("{step} has slept"),
        Event::AwaitStarted { step, signal, .. } => format!("{step} awaits {signal}"),
        Event::SignalReceived { .. } => return None,
        Event::SignalTaken { step, .. } => format!("{step} has its signal"),
        Event::ItemsListed { step, items } => format!("{step} has {} items", items.len()),
        Event::StepFailed { step, .. } => format!("{step} fails"),
        Event::AttentionRaised { call: id, detail, .. } => {
            format!("a person is asked to look at {}: {detail}", call(id))
        }
        Event::CancelRequested { .. } => return None,
        Event::CompensationStarted { cause } => format!("everything is undone: {}", why(cause)),
        Event::ChildIntended { call: id, name, .. } => format!("{} runs a saga {name}", call(id)),
        Event::ChildPinned { .. } | Event::ChildSettled { .. } => return None,
        Event::ChildSucceeded { call: id, .. } => format!("the saga of {} has succeeded", call(id)),
        Event::ChildUnusable { call: id, reason } => format!("the saga of {} gave nothing of use: {reason}", call(id)),
        Event::ChildUndoIntended { call: id } => format!("the saga of {} is to be undone", call(id)),
        Event::ChildCompensated { call: id, .. } => format!("the saga of {} is undone", call(id)),
        Event::SettledByParent => "its parent lets it end".to_owned(),
        Event::SagaSucceeded { .. } => "its forward path is done".to_owned(),
        Event::SagaCompleted { .. } => "the saga is completed".to_owned(),
        Event::SagaCompensated => "the saga is compensated".to_owned(),
    })
}

pub(crate) fn why(cause: &Cause) -> String {
    match cause {
        Cause::StepFailed { step, .. } => format!("{step} failed"),
        Cause::Cancelled { .. } => "it was cancelled".to_owned(),
        Cause::DeadlinePassed => "the deadline passed".to_owned(),
        Cause::UndoneByParent => "its parent is undone".to_owned(),
    }
}

/// The story as a sequence diagram in Mermaid.
pub fn mermaid(story: &Story) -> String {
    let mut people: Vec<String> = Vec::new();
    for line in &story.lines {
        let (from, to) = line.people();
        for who in [Some(from), to].into_iter().flatten() {
            if !people.contains(&who) {
                people.push(who);
            }
        }
    }
    let mut text = "sequenceDiagram\n".to_owned();
    let id = |who: &str| people.iter().position(|known| *known == who).unwrap_or_default();
    for (nth, who) in people.iter().enumerate() {
        let _ = writeln!(text, "  participant p{nth} as {}", safe(who));
    }
    for line in story.lines.iter().filter(|line| !line.text.is_empty()) {
        let said = safe(&line.text);
        let (from, to) = line.people();
        let _ = match &to {
            Some(to) => {
                let lost = line.fault && line.from != "network" && line.text.starts_with("no answer");
                let arrow = if lost {
                    "--x"
                } else if line.from == AMENDS || line.from == "network" {
                    "->>"
                } else {
                    "-->>"
                };
                writeln!(text, "  p{}{arrow}p{}: {said}", id(&from), id(to))
            }
            None => writeln!(text, "  Note over p{}: {said}", id(&from)),
        };
    }
    text
}

/// No text of a definition gets out of its label.
fn safe(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            ';' => "#59;".to_owned(),
            '#' => "#35;".to_owned(),
            '"' => "'".to_owned(),
            '<' => "#lt;".to_owned(),
            '>' => "#gt;".to_owned(),
            c if c.is_control() => " ".to_owned(),
            c => c.to_string(),
        })
        .collect()
}
