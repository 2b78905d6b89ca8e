//! The bytes of a call, from a definition and a state. Canonical: the same state renders the same bytes.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::{
    definition::{Call, ChildStep, Definition, Method, Step, limits},
    event::Started,
    expr::{Budget, Evaluate, Expression, Piece, Segment, Template, walk, written},
    ids::{CallId, Digest, Op, SagaId, ServiceName},
    state::State,
    time::Time,
};

/// What unreserved characters of RFC 3986 leave to encode: everything else, so that a value stays one segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Literal parts are checked with the definition; only what can never stand in a request line is encoded.
const LITERAL: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`');

/// A call ready to be sent, apart from where its service lives and how it authenticates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    pub service: ServiceName,
    pub method: Method,
    /// Path and query, encoded.
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: Option<Vec<u8>>,
    /// Of method, path and body.
    pub digest: Digest,
}

/// The request of a call.
///
/// # Errors
/// Why it cannot be made: a missing value, a value that cannot stand where it should, or beyond a limit. Retrying cannot
/// help; the call is *refused here*.
pub fn render(definition: &Definition, state: &State, id: &CallId) -> Result<Rendered, String> {
    let (_, step) = definition.step(&id.step).ok_or_else(|| format!("the definition has no step {}", id.step))?;
    let own = Own {
        step: id.step.as_str(),
        output: state.own_output(id).filter(|_| id.op == Op::Compensate).map(|output| &**output),
        item: item(state, id),
    };
    let call = step.call_of(id.op).ok_or_else(|| format!("{} has no {}", id.step, id.op.as_str()))?;
    request(call, &seen(state, Some(&own)))
}

/// The request that asks whether an action was applied.
///
/// # Errors
/// As [`render`]; but what was rendered when the action was intended can be rendered again.
pub fn render_probe(definition: &Definition, state: &State, id: &CallId) -> Result<Rendered, String> {
    let (_, step) = definition.step(&id.step).ok_or_else(|| format!("the definition has no step {}", id.step))?;
    let probe = step.call().and_then(|call| call.probe.as_ref()).ok_or_else(|| format!("{} has no probe", id.step))?;
    let own = Own { step: id.step.as_str(), output: None, item: item(state, id) };
    request(&probe.call, &seen(state, Some(&own)))
}

/// An action is sent only if its compensation could be sent too, even when the action's reply is lost; and its probe.
///
/// # Errors
/// As [`render`].
pub(crate) fn check_beside(step: &Step, state: &State, id: &CallId) -> Result<(), String> {
    let own = Own { step: step.name.as_str(), output: None, item: item(state, id) };
    let beside = seen(state, Some(&own));
    if let Some(call) = step.call_of(Op::Compensate) {
        parts(call, &beside).map_err(|why| compensation_refused(&why))?;
    }
    if let Some(probe) = step.call().and_then(|call| call.probe.as_ref()) {
        parts(&probe.call, &beside).map_err(|why| probe_refused(&why))?;
    }
    Ok(())
}

pub(crate) fn probe_refused(why: &str) -> String {
    format!("its probe: {why}")
}

pub(crate) fn compensation_refused(why: &str) -> String {
    format!("its compensation: {why}")
}

/// What a child is started with.
///
/// # Errors
/// As [`render`].
pub(crate) fn child_input(child: &ChildStep, state: &State, id: &CallId) -> Result<Value, String> {
    let own = Own { step: id.step.as_str(), output: None, item: item(state, id) };
    child_input_by(child, &seen(state, Some(&own)))
}

pub(crate) fn child_input_by(child: &ChildStep, evaluate: &Evaluate<'_>) -> Result<Value, String> {
    let Some(template) = &child.input else { return Ok(Value::Object(serde_json::Map::new())) };
    let input = template.render_by(evaluate).map_err(|why| format!("input: {why}"))?;
    if input.to_string().len() > limits::BODY_BYTES {
        return Err(format!("the input is larger than {} bytes", limits::BODY_BYTES));
    }
    Ok(input)
}

/// What a step takes from its child.
///
/// # Errors
/// It has no value there, or is larger than `most`.
pub(crate) fn child_output(child: &ChildStep, saga: SagaId, output: &Value, most: usize) -> Result<Value, String> {
    let output = match &child.output {
        None => output.clone(),
        Some(template) => template.render(&|path| match path {
            [Segment::Name(root), Segment::Name(what), rest @ ..] if &**root == "child" => match (&**what, rest) {
                ("output", rest) => walk(output, rest).cloned(),
                ("id", []) => Some(saga.to_string().into()),
                _ => None,
            },
            _ => None,
        })?,
    };
    if output.to_string().len() > most {
        return Err(format!("output: larger than {most} bytes"));
    }
    Ok(output)
}

/// The value of the saga's `output`.
///
/// # Errors
/// As [`render`].
pub(crate) fn output(definition: &Definition, state: &State) -> Result<Value, String> {
    output_by(definition, &seen(state, None))
}

pub(crate) fn output_by(definition: &Definition, evaluate: &Evaluate<'_>) -> Result<Value, String> {
    let Some(template) = &definition.output else { return Ok(Value::Null) };
    let output = template.render_by(evaluate)?;
    if output.to_string().len() > limits::OUTPUT_BYTES {
        return Err(format!("it is larger than {} bytes", limits::OUTPUT_BYTES));
    }
    Ok(output)
}

/// Whether a step runs, by its `if`.
///
/// # Errors
/// As [`render`]; or it is neither true nor false.
pub(crate) fn condition(condition: &Expression, state: &State) -> Result<bool, String> {
    condition_by(condition, &seen(state, None))
}

pub(crate) fn condition_by(condition: &Expression, evaluate: &Evaluate<'_>) -> Result<bool, String> {
    match evaluate(condition, &mut Budget::default()) {
        Ok(Value::Bool(runs)) => Ok(runs),
        Ok(other) => Err(format!("if: neither true nor false, but {}", short(&other))),
        Err(why) => Err(format!("if: {why}")),
    }
}

/// The time at which an `until` ends.
///
/// # Errors
/// As [`render`]; or it is no time, or further away than anybody waits.
pub(crate) fn until(template: &Template, state: &State, now: Time) -> Result<Time, String> {
    until_by(template, &seen(state, None), now)
}

pub(crate) fn until_by(template: &Template, evaluate: &Evaluate<'_>, now: Time) -> Result<Time, String> {
    let value = template.render_by(evaluate).map_err(|why| format!("until: {why}"))?;
    let time = value.as_str().and_then(Time::parse_rfc3339);
    let time = time.ok_or_else(|| format!("until: no time of RFC 3339, but {}", short(&value)))?;
    if time > now + limits::WAIT {
        return Err(format!("until: {} is more than {} days away", short(&value), limits::WAIT.as_secs() / 86_400));
    }
    Ok(time)
}

/// The items of a `for_each`.
///
/// # Errors
/// As [`render`]; or it is no list, or longer than anybody should call for.
pub(crate) fn items(list: &Template, state: &State) -> Result<Vec<Value>, String> {
    items_by(list, &seen(state, None))
}

pub(crate) fn items_by(list: &Template, evaluate: &Evaluate<'_>) -> Result<Vec<Value>, String> {
    let bytes = |items: &[Value]| items.iter().map(|item| item.to_string().len()).sum::<usize>();
    match list.render_by(evaluate) {
        Ok(Value::Array(items)) if items.len() > limits::ITEMS => {
            Err(format!("for_each: {} items are more than {}", items.len(), limits::ITEMS))
        }
        Ok(Value::Array(items)) if bytes(&items) > limits::OUTPUT_BYTES => {
            Err(format!("for_each: the items are larger than {} bytes", limits::OUTPUT_BYTES))
        }
        Ok(Value::Array(items)) => Ok(items),
        Ok(other) => Err(format!("for_each: no list, but {}", short(&other))),
        Err(why) => Err(format!("for_each: {why}")),
    }
}

/// A value for people, as much of it as a message bears.
fn short(value: &Value) -> String {
    const CHARS: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= CHARS { text } else { text.chars().take(CHARS).chain("…".chars()).collect() }
}

pub(crate) fn request(call: &Call, evaluate: &Evaluate<'_>) -> Result<Rendered, String> {
    let Parts { path, headers, body } = parts(call, evaluate)?;
    let digest = Digest::of(&[call.method.as_str().as_bytes(), path.as_bytes(), body.as_deref().unwrap_or_default()]);
    Ok(Rendered { service: call.service.clone(), method: call.method, path, headers, body, digest })
}

struct Parts {
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

fn parts(call: &Call, evaluate: &Evaluate<'_>) -> Result<Parts, String> {
    let mut budget = Budget::default();
    let path = path(&call.path, evaluate, &mut budget)?;
    let mut headers = Vec::with_capacity(call.headers.len());
    for (name, template) in &call.headers {
        let text = written(&template.render_within(evaluate, &mut budget)?);
        if text.len() > limits::HEADER_BYTES || text.chars().any(|c| c.is_control() || !c.is_ascii()) {
            return Err(format!(
                "header {name}: its value must be printable ASCII within {} bytes",
                limits::HEADER_BYTES
            ));
        }
        headers.push((name.clone(), text));
    }
    let body = call.body.as_ref().map(|template| template.render_within(evaluate, &mut budget)).transpose()?;
    let body = body.map(|body| body.to_string().into_bytes());
    if body.as_ref().is_some_and(|body| body.len() > limits::BODY_BYTES) {
        return Err(format!("the body is larger than {} bytes", limits::BODY_BYTES));
    }
    Ok(Parts { path, headers, body })
}

/// The step whose call is rendered: its own output is absent for an action, and for a compensation after a lost reply.
struct Own<'a> {
    step: &'a str,
    output: Option<&'a Value>,
    /// For a step that calls once for each.
    item: Option<(&'a Value, u32)>,
}

fn item<'s>(state: &'s State, id: &CallId) -> Option<(&'s Value, u32)> {
    state.item(id).zip(id.index)
}

/// What the names of the language mean in a saga from its start on.
pub(crate) fn start_value(saga: SagaId, started: &Started, at: Time, path: &[Segment]) -> Option<Value> {
    let Segment::Name(root) = path.first()? else { return None };
    match (&**root, &path[1..]) {
        ("input", rest) => walk(&started.input, rest).cloned(),
        ("saga", [Segment::Name(name), rest @ ..]) => match (&**name, rest) {
            ("id", []) => Some(saga.to_string().into()),
            ("name", []) => Some(started.name.to_string().into()),
            ("version", []) => Some(started.version.into()),
            ("started_at", []) => Some(at.to_rfc3339().into()),
            ("labels", [Segment::Name(label), rest @ ..]) => walk(started.labels.get(&**label)?, rest).cloned(),
            ("labels", []) => Some(Value::Object(started.labels.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// What expressions give in this state.
fn seen<'s>(
    state: &'s State,
    own: Option<&'s Own<'s>>,
) -> impl Fn(&Expression, &mut Budget) -> Result<Value, String> + 's {
    move |expression, budget| expression.evaluate_within(&|path| value(state, own, path), budget)
}

/// What they mean once steps have run.
fn value(state: &State, own: Option<&Own<'_>>, path: &[Segment]) -> Option<Value> {
    let Segment::Name(root) = path.first()? else { return None };
    match (&**root, &path[1..]) {
        ("item", rest) => walk(own?.item?.0, rest).cloned(),
        ("index", []) => Some(own?.item?.1.into()),
        ("steps", [Segment::Name(step), Segment::Name(output), rest @ ..]) if &**output == "output" => {
            match own.filter(|own| own.step == &**step) {
                Some(own) => walk(own.output?, rest).cloned(),
                None => walk(state.output_of(step)?, rest).cloned(),
            }
        }
        _ => start_value(state.saga, &state.started, state.started_at, path),
    }
}

fn path(pieces: &[Piece], evaluate: &Evaluate<'_>, budget: &mut Budget) -> Result<String, String> {
    let mut path = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(text) => write!(path, "{}", utf8_percent_encode(text, LITERAL)),
            Piece::Value(expression) => {
                let value = evaluate(expression, budget)?;
                if value.is_array() || value.is_object() || value.is_null() {
                    return Err("path: a list, a map or null is no part of a path".to_owned());
                }
                let text = written(&value);
                if text.is_empty() || text.contains('\0') {
                    return Err("path: an empty value or a NUL is no part of a path".to_owned());
                }
                write!(path, "{}", utf8_percent_encode(&text, SEGMENT))
            }
        }
        .expect("invariant: writing to a text cannot fail");
    }
    let before_query = path.split('?').next().unwrap_or_default();
    if before_query.split('/').any(is_dot_segment) {
        return Err("path: a segment `.` or `..` would lead elsewhere".to_owned());
    }
    if path.len() > limits::PATH_BYTES {
        return Err(format!("path: longer than {} bytes", limits::PATH_BYTES));
    }
    Ok(path)
}

/// Every reader of URLs resolves dot segments, encoded or not: they lead to another path.
pub(crate) fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}
