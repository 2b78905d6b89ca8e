//! The faults of a run that was found, as a plan for a running server: what befell which attempt, as far as it can be brought
//! about at the door to the services.
//!
//! Why it exists: whoever has read of a failure wants to see it, on a staging server and with the services that there are.
//!
//! Who calls it: `amends explore --save-plan`. **It must never know** how a server injects a fault.

use std::time::Duration;

use amends_core::{
    definition::{Definition, Known},
    faults::{Again, Asked, Attempts, Fault, FaultPlan, Point, Rule},
    ids::Op,
    summary::Status,
};
use serde_json::Map;

use crate::{
    choices::{self, Choice, Gone},
    coverage,
    family::{Family, Models, Turn, What},
    model::{Key, Model},
    node::{Fate, Node},
    trace::{CannotReplay, Trace, replay, retrace},
};

/// A copy that arrives later by as much as this has missed whatever it was late for.
const LATER: Duration = Duration::from_secs(5);
/// Where the definition says of no status that it is a no.
const NO: u16 = 409;

/// What a server can be told.
#[derive(Debug, PartialEq)]
pub struct Planned {
    pub plan: FaultPlan,
    /// What befell the run, and no rule brings about.
    pub left_out: Vec<String>,
}

/// The faults of a trace. `known` are the definitions of its children, and of theirs.
///
/// # Errors
/// As of [`crate::replay`].
pub fn fault_plan(definition: &Definition, known: &Known, trace: &Trace) -> Result<Planned, CannotReplay> {
    let undone = replay(definition, known, trace)?.end == Status::Compensated.as_str();
    // What was given comes first, as it did in the run, and in its order: its dice know its rules by their numbers.
    let given = trace.played()?.unwrap_or(FaultPlan { seed: 0, rules: vec![] });
    let of_its_own = given.rules.len();
    let mut planned = Planned { plan: given, left_out: vec![] };
    retrace(definition, known, trace, false, |models, family, turn, cost| planned.take(models, family, turn, cost))?;
    for rule in planned.plan.rules.iter_mut().skip(of_its_own).filter(|rule| undone && rule.op == Some(Asked::Action)) {
        // What arrives when it has been undone is what hurts.
        if let Fault::Replay(again) = &mut rule.fault {
            *again = Again::AfterCompensation;
        }
    }
    Ok(planned)
}

impl Planned {
    fn take(&mut self, models: &Models<'_>, family: &Family, turn: Turn, cost: u8) {
        let nth = usize::from(turn.saga);
        let (model, node) = (family.model(models, nth), family.node(nth));
        let told = match turn.what {
            What::Own(Choice::Deliver(key, fate)) => self.delivered(model, node, key, fate),
            What::Own(Choice::Probe(key, asked)) => self.probed(model, key, asked),
            What::Own(Choice::Crash(crash)) if !crash.asleep => self.crashed(model, node, crash),
            // A refusal is nobody's fault, and costs none; whatever else costs nothing is fine weather.
            _ => cost == 0,
        };
        if !told {
            self.left_out.push(turn.label(models, family));
        }
    }

    fn delivered(&mut self, model: &Model<'_>, node: &Node, key: Key, fate: Fate) -> bool {
        let step = model.step(key.unit);
        let no = if key.op == Op::Action { step.no } else { step.undo_no };
        let fault = match fate {
            Fate::Done | Fate::Accepted => return true,
            Fate::Refused => Fault::Reject(no.unwrap_or(NO)),
            Fate::NotSent | Fate::Down => Fault::Refuse,
            Fate::Lost | Fate::Silent => Fault::LoseRequest,
            Fate::Late => {
                let timeout = if key.op == Op::Action { step.timeouts.0 } else { step.timeouts.1 };
                Fault::Delay(timeout + LATER)
            }
            Fate::ReplyLost | Fate::AcceptedUnheard | Fate::Mute => Fault::LoseReply,
            Fate::Doubled => Fault::Replay(Again::After(LATER)),
            Fate::Useless => Fault::Body("no answer of this service".into()),
            Fate::RefusedKept | Fate::CalledBackFirst | Fate::Fenced => return false,
        };
        let attempt = node.wire.iter().find(|flight| flight.key == key).map(|flight| flight.attempt);
        let attempts = attempt.filter(|_| !fate.lasts()).map(Attempts::Only);
        self.rule(model, key, asked_for(key.op), attempts, coverage::fate(fate), fault);
        true
    }

    fn probed(&mut self, model: &Model<'_>, key: Key, asked: choices::Asked) -> bool {
        let fault = match asked {
            choices::Asked::Told => return true,
            choices::Asked::Unanswered => Fault::LoseReply,
            choices::Asked::Silent => Fault::LoseRequest,
        };
        self.rule(model, key, Asked::Probe, None, coverage::asked(asked), fault);
        if asked == choices::Asked::Unanswered
            && let Some(rule) = self.plan.rules.last_mut()
        {
            rule.count = Some(1);
        }
        true
    }

    /// It dies with the attempt that is on the wire, or that is about to be; what becomes of others cannot be told it.
    fn crashed(&mut self, model: &Model<'_>, node: &Node, crash: choices::Crash) -> bool {
        let (key, attempt, point) = match (&node.wire[..], &node.look.unsent[..]) {
            ([flight], []) => match crash.of(0) {
                Gone::Done => (flight.key, flight.attempt, Point::AfterSend),
                Gone::Lost => (flight.key, flight.attempt, Point::BeforeSend),
                Gone::Late => return false,
            },
            ([], [(key, attempt), ..]) => (*key, *attempt, Point::BeforeSend),
            _ => return false,
        };
        let attempts = Some(Attempts::Only(attempt));
        self.rule(model, key, asked_for(key.op), attempts, "crash", Fault::Abort(point));
        true
    }

    fn rule(&mut self, model: &Model<'_>, key: Key, op: Asked, attempts: Option<Attempts>, why: &str, fault: Fault) {
        let (saga, step) = (model.truth.name.to_string(), model.step(key.unit).name.clone());
        let rules = &mut self.plan.rules;
        // What befalls all attempts befell each of them in the run.
        if rules.iter().any(|rule| {
            (rule.saga.as_ref(), rule.step.as_ref(), rule.op) == (Some(&saga), Some(&step), Some(op))
                && (rule.attempts, &rule.fault) == (attempts, &fault)
        }) {
            return;
        }
        let nth = rules.len() + 1;
        let item = key.unit.item.map_or(String::new(), |item| format!(", item {item} of the list in the run"));
        rules.push(Rule {
            name: format!("{nth}: {why}{item}"),
            service: None,
            saga: Some(saga),
            step: Some(step),
            op: Some(op),
            labels: Map::new(),
            attempts,
            probability: 1.0,
            count: None,
            fault,
        });
    }
}

fn asked_for(op: Op) -> Asked {
    match op {
        Op::Action => Asked::Action,
        Op::Compensate => Asked::Compensate,
    }
}
