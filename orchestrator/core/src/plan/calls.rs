//! Steps that call: what they would send, and what would undo it.

use serde_json::Value;

use super::{
    PlannedEach, Pretend, Request, What, pretended,
    world::{Own, Seen, World},
};
use crate::{
    definition::{Call, CallStep, Each, Step, Undo, limits},
    ids::{CallId, Op},
    render,
    reply::{Answer, Outcome, Reply, Terms, classify},
};

/// One call with what undoes it.
#[derive(Debug)]
pub struct PlannedCall {
    pub id: CallId,
    pub request: Request,
    pub undo: PlannedUndo,
}

/// How a call would be undone.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one per call of a plan, and mostly the large one")]
pub enum PlannedUndo {
    /// It is the pivot or behind it.
    Never,
    /// The definition says why.
    Nothing { reason: String },
    Call {
        id: CallId,
        /// The step may have happened, and nobody knows what it said.
        after_lost_reply: Request,
        /// It happened, and its output is known.
        after_success: Result<Request, String>,
    },
}

pub(super) fn plan(step: &Step, call: &CallStep, world: &mut World<'_>, pretend: &Pretend) -> Result<What, String> {
    let (what, output) = match &call.each {
        None => {
            let output = match (pretended(step, pretend), pretend.replies.get(&step.name)) {
                (Some(output), _) => output,
                (None, Some(body)) => Seen::Known(replied(call, body)?),
                (None, None) => without(call),
            };
            (one(step, call, world, None, &output).map(What::Call), output)
        }
        Some(each) => {
            let (listed, outputs, output) = items(step, (call, each), world, pretend)?;
            (listed.and_then(|listed| many(step, (call, each), world, listed, &outputs).map(What::Each)), output)
        }
    };
    world.done(step.name.as_str(), output);
    Ok(what.unwrap_or_else(|why| What::Refused { why }))
}

/// What is known of an output that nobody has told.
fn without(call: &CallStep) -> Seen {
    if call.output.is_none() { Seen::Known(Value::Null) } else { Seen::Unknown }
}

/// The output that the step would compute from this body.
fn replied(call: &CallStep, body: &Value) -> Result<Value, String> {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let answer = Answer { status: 200, acked: true, headers, body: body.to_string().into_bytes(), ..Answer::default() };
    let (terms, bytes) = (Terms::default(), limits::OUTPUT_BYTES);
    match classify(call, &call.action, Op::Action, Reply::Answered(answer), &terms, bytes) {
        Outcome::Success { output, .. } => Ok(output),
        Outcome::Unusable { reason, .. }
        | Outcome::Rejected { reason, .. }
        | Outcome::NotSent { reason }
        | Outcome::Unknown { reason, .. } => Err(format!("from this reply its output cannot be taken: {reason}")),
    }
}

/// `Err`: the list is none that could be called for.
type Listed = Result<(Vec<Seen>, Option<String>), String>;

/// Its items, the output of each, and its own.
fn items(
    step: &Step,
    (call, each): (&CallStep, &Each),
    world: &World<'_>,
    pretend: &Pretend,
) -> Result<(Listed, Vec<Seen>, Seen), String> {
    let list = match list(each, world) {
        Ok((items, unknown @ Some(_))) => {
            let output = pretended(step, pretend).unwrap_or(Seen::Unknown);
            return Ok((Ok((items, unknown)), vec![Seen::Unknown], output));
        }
        Ok((items, None)) => items,
        Err(why) => return Ok((Err(why), vec![], Seen::Absent)),
    };
    let told = match (pretend.outputs.get(&step.name), pretend.replies.get(&step.name)) {
        (Some(outputs), _) => Some(of_each(outputs, list.len())?.clone()),
        (None, Some(bodies)) => {
            let bodies = of_each(bodies, list.len())?;
            Some(bodies.iter().map(|body| replied(call, body)).collect::<Result<Vec<_>, _>>()?)
        }
        (None, None) if call.output.is_none() || list.is_empty() => Some(vec![Value::Null; list.len()]),
        (None, None) => None,
    };
    let (outputs, output) = match told {
        Some(outputs) => (outputs.iter().cloned().map(Seen::Known).collect(), Seen::Known(Value::Array(outputs))),
        None => (vec![Seen::Unknown; list.len()], Seen::Unknown),
    };
    Ok((Ok((list, None)), outputs, output))
}

/// The items of a list; of one that hangs on a reply one stands for all, and what it hangs on is said.
pub(super) fn list(each: &Each, world: &World<'_>) -> Listed {
    let expressions = each.list.expressions();
    if expressions.iter().any(|expression| world.hangs(None, expression)) {
        let text: Vec<&str> = expressions.into_iter().map(|expression| expression.text()).collect();
        return Ok((vec![Seen::Unknown], Some(text.join(", "))));
    }
    let list = render::items_by(&each.list, &|expression, budget| world.evaluate(None, expression, budget))?;
    Ok((list.into_iter().map(Seen::Known).collect(), None))
}

pub(super) fn of_each(value: &Value, items: usize) -> Result<&Vec<Value>, String> {
    match value {
        Value::Array(values) if values.len() == items => Ok(values),
        Value::Array(values) => Err(format!("it calls for {items} items, and here are {}", values.len())),
        _ => Err(format!("it calls for {items} items: give a list")),
    }
}

fn many(
    step: &Step,
    (call, each): (&CallStep, &Each),
    world: &World<'_>,
    (items, unknown): (Vec<Seen>, Option<String>),
    outputs: &[Seen],
) -> Result<PlannedEach, String> {
    let calls = items.into_iter().zip(outputs).zip(0_u32..).map(|((item, output), index)| {
        one(step, call, world, Some((item, index)), output).map_err(|why| format!("item {index}: {why}"))
    });
    Ok(PlannedEach { unknown, concurrency: each.concurrency, calls: calls.collect::<Result<_, _>>()? })
}

/// `Err`: the saga would not send it.
fn one(
    step: &Step,
    call: &CallStep,
    world: &World<'_>,
    item: Option<(Seen, u32)>,
    output: &Seen,
) -> Result<PlannedCall, String> {
    let id = |op| CallId { step: step.name.clone(), index: item.as_ref().map(|(_, index)| *index), op };
    let seeing = |output: Seen| Own { step: step.name.as_str(), output, item: item.clone() };
    let undo = match &call.undo {
        Undo::Child | Undo::Never => PlannedUndo::Never,
        Undo::Nothing { reason } => PlannedUndo::Nothing { reason: reason.clone() },
        Undo::Call(undo) => PlannedUndo::Call {
            id: id(Op::Compensate),
            // As before each sending: it must render with its own output absent.
            after_lost_reply: request(undo, world, &seeing(Seen::Absent))
                .map_err(|why| render::compensation_refused(&why))?,
            after_success: request(undo, world, &seeing(output.clone())),
        },
    };
    if let Some(probe) = &call.probe {
        request(&probe.call, world, &seeing(Seen::Absent)).map_err(|why| render::probe_refused(&why))?;
    }
    Ok(PlannedCall { id: id(Op::Action), request: request(&call.action, world, &seeing(Seen::Absent))?, undo })
}

fn request(call: &Call, world: &World<'_>, own: &Own<'_>) -> Result<Request, String> {
    let rendered = render::request(call, &|expression, budget| world.evaluate(Some(own), expression, budget))?;
    let placeholders = world.placeholders();
    let body = rendered.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let known = !placeholders.occur_in(&rendered.path) && !placeholders.occur_in(&body);
    let digest = known.then(|| rendered.digest.clone());
    Ok(Request { rendered, digest })
}
