//! What is known of a step's calls, read from the definition once: where they go, what they would be answered, what of them can
//! be repeated or refused.

use std::sync::Arc;

use amends_core::{
    Answer, Outcome, Reply, Terms, classify,
    definition::{Call, CallStep, Definition, Method, Side, Undo, limits},
    expr::{Piece, Segment, Template},
    ids::{Op, ServiceName, SignalName, StepName},
};
use serde_json::{Value, json};

use crate::{
    model::{ServiceModel, StepModel, Undone},
    samples,
    setup::{Contract, Service, Setup},
};

pub(crate) fn step_model(
    name: &StepName,
    side: Side,
    call: &CallStep,
    setup: &Setup,
    services: &mut Vec<ServiceModel>,
) -> StepModel {
    let action = &call.action;
    let service = setup.service(&action.service).clone();
    let undo = match &call.undo {
        Undo::Call(undo) => Some(undo),
        Undo::Nothing { .. } | Undo::Child | Undo::Never => None,
    };
    let terms = terms(&service);
    let computes = |body: &Value| {
        let answer = Answer { status: 200, acked: true, body: body.to_string().into_bytes(), ..Answer::default() };
        let reply = Reply::Answered(answer);
        match classify(call, action, Op::Action, reply, &terms, limits::OUTPUT_BYTES) {
            Outcome::Success { output, .. } => Some(output),
            _ => None,
        }
    };
    let body = samples::value_for(call.output.as_ref(), &["response", "body"], |body| computes(body).is_some());
    let output = Arc::new(computes(&body).unwrap_or_default());
    let rejects = action.reject_on.as_ref().or(service.reject_on.as_ref());
    StepModel {
        name: name.clone(),
        side,
        action_at: place(&action.service, setup, services),
        undo_at: undo.map(|undo| place(&undo.service, setup, services)),
        effect: action.method != Method::Get,
        repeats: (repeats(action), undo.is_some_and(repeats)),
        undo: match call.undo {
            Undo::Call(_) => Undone::ByCall,
            Undo::Nothing { .. } => Undone::Nothing,
            // A call is never undone by a child.
            Undo::Child | Undo::Never => Undone::Never,
        },
        once: !call.idempotent,
        later: call.verdict_within.is_some(),
        probe: call.probe.is_some(),
        attempts: (action.retry.attempts, undo.and_then(|undo| undo.retry.attempts)),
        timeouts: (
            action.timeout.unwrap_or(service.timeout),
            undo.map_or(service.timeout, |undo| undo.timeout.unwrap_or(setup.service(&undo.service).timeout)),
        ),
        no: rejects.map_or(Some(409), |rejects| rejects.first().copied()),
        undo_no: undo.and_then(undo_no),
        says_no: rejects.is_some_and(|rejects| !rejects.is_empty()),
        reads_body: call.output.as_ref().is_some_and(reads_body),
        undo_reads_output: undo.is_some_and(|undo| reads_output_of(undo, name)),
        body: body.to_string().into_bytes(),
        output,
    }
}

/// A status of which a compensation cannot say that it is a success.
fn undo_no(undo: &Call) -> Option<u16> {
    [409, 422, 400, 403].into_iter().find(|status| !undo.success_on.contains(status))
}

fn repeats(call: &Call) -> bool {
    matches!(call.method, Method::Get | Method::Put | Method::Delete)
}

fn place(name: &ServiceName, setup: &Setup, services: &mut Vec<ServiceModel>) -> usize {
    services.iter().position(|known| known.name == *name).unwrap_or_else(|| {
        let service = setup.service(name);
        services.push(ServiceModel { name: name.clone(), contract: service.contract, terms: terms(service) });
        services.len() - 1
    })
}

pub(crate) fn terms(service: &Service) -> Terms {
    Terms {
        barrier: service.contract == Contract::Barrier,
        reject_on: service.reject_on.clone(),
        timeout: service.timeout,
    }
}

fn is_name(segment: Option<&Segment>, word: &str) -> bool {
    matches!(segment, Some(Segment::Name(name)) if &**name == word)
}

fn reads_body(output: &Template) -> bool {
    let expressions = output.expressions();
    expressions.iter().flat_map(|expression| expression.paths()).any(|path| is_name(path.segments.get(1), "body"))
}

fn reads_output_of(undo: &Call, step: &StepName) -> bool {
    let in_path = undo.path.iter().filter_map(Piece::expression);
    let in_headers = undo.headers.iter().flat_map(|(_, template)| template.expressions());
    let in_body = undo.body.iter().flat_map(|template| template.expressions());
    in_path
        .chain(in_headers)
        .chain(in_body)
        .flat_map(|expression| expression.paths())
        .any(|path| is_name(path.segments.first(), "steps") && is_name(path.segments.get(1), step.as_str()))
}

/// A payload that every step that awaits this signal can use.
pub(crate) fn payload(definition: &Definition, signal: &SignalName) -> Value {
    let fits = |value: &Value| amends_core::check_signal(definition, signal, value).is_ok();
    let tries =
        definition.awaiting(signal).map(|(_, awaited)| samples::value_for(awaited.output.as_ref(), &["signal"], fits));
    let tries: Vec<Value> = tries.chain([json!({})]).collect();
    tries.iter().find(|value| fits(value)).or(tries.first()).cloned().unwrap_or_default()
}
