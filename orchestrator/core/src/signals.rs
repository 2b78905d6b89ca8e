//! Signals: what may come from outside to a step that awaits it, and what each one means.
//!
//! Each `await` takes one signal of its name, the oldest first. One that comes early is kept. One that no step can take any more
//! is refused rather than kept for nobody; so as many are kept at most as there are steps.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

use crate::{
    definition::{Await, Definition, limits},
    expr::{Segment, walk},
    ids::{Digest, SignalName, canonical},
    state::{State, StepState, Waiting},
    summary::Status,
};

/// A signal as it comes.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    pub name: SignalName,
    /// The same key is the same signal.
    pub key: Option<Arc<str>>,
    pub payload: Arc<Value>,
}

/// What a signal is to a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanSignal {
    /// It is kept for the step that awaits it, or will.
    Yes,
    /// It came before: it gets the same answer and changes nothing.
    CameBefore,
    /// Another payload came before under its key.
    KeyReused,
    /// [`check_signal`] says why.
    Unfit,
    /// Every step that awaits it has one, or is over.
    NotAwaited,
    /// The saga is being undone: nothing waits any more.
    Undoing,
    Ended,
}

/// Why a signal is none that this definition knows, whatever the saga's state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitSignal {
    #[error("no step of `{definition}` awaits a signal `{signal}`{}", hint(.known))]
    NeverAwaited { definition: Arc<str>, signal: SignalName, known: BTreeSet<SignalName> },
    #[error("a signal's payload has at most {} bytes", limits::SIGNAL_BYTES)]
    TooLarge,
    #[error("step `{step}` cannot take its output from this payload: {why}")]
    Output { step: String, why: String },
}

fn hint(known: &BTreeSet<SignalName>) -> String {
    if known.is_empty() {
        return "; none awaits any".to_owned();
    }
    format!("; they await {}", known.iter().map(SignalName::as_str).collect::<Vec<_>>().join(", "))
}

/// Whether a payload is one for this signal: every step that awaits it could compute its output from it. So a signal that is taken
/// never turns out to be of no use.
///
/// # Errors
/// Why not.
pub fn check_signal(definition: &Definition, signal: &SignalName, payload: &Value) -> Result<(), UnfitSignal> {
    let mut awaiting = definition.awaiting(signal).peekable();
    if awaiting.peek().is_none() {
        let known: BTreeSet<SignalName> = definition.awaited().cloned().collect();
        return Err(UnfitSignal::NeverAwaited { definition: definition.name.clone(), signal: signal.clone(), known });
    }
    if payload.to_string().len() > limits::SIGNAL_BYTES {
        return Err(UnfitSignal::TooLarge);
    }
    for (step, awaited) in awaiting {
        output(awaited, payload).map_err(|why| UnfitSignal::Output { step: step.name.to_string(), why })?;
    }
    Ok(())
}

/// What a signal is to the saga now.
pub fn can_signal(definition: &Definition, state: &State, signal: &Signal) -> CanSignal {
    let of_name = || state.signals.iter().filter(|received| received.signal == signal.name);
    if let Some(before) = of_name().find(|before| signal.key.is_some() && before.key == signal.key) {
        return if before.digest == digest(&signal.payload) { CanSignal::CameBefore } else { CanSignal::KeyReused };
    }
    match state.status {
        Status::Running => {}
        Status::Compensating => return CanSignal::Undoing,
        Status::Succeeded => return CanSignal::NotAwaited,
        Status::Completed | Status::Compensated | Status::Abandoned => return CanSignal::Ended,
    }
    if check_signal(definition, &signal.name, &signal.payload).is_err() {
        return CanSignal::Unfit;
    }
    let may_take = definition.awaiting(&signal.name).filter(|(step, _)| match state.step(&step.name) {
        None | Some(StepState::Waiting(Waiting::Signal { .. })) => true,
        Some(_) => false,
    });
    let kept = of_name().filter(|received| received.kept.is_some()).count();
    if may_take.count() > kept { CanSignal::Yes } else { CanSignal::NotAwaited }
}

/// What a step takes from a payload.
///
/// # Errors
/// It has no value there, or is too large.
pub(crate) fn output(awaited: &Await, payload: &Value) -> Result<Value, String> {
    let Some(template) = &awaited.output else { return Ok(Value::Null) };
    let output = template.render(&|path| match path {
        [Segment::Name(root), rest @ ..] if &**root == "signal" => walk(payload, rest).cloned(),
        _ => None,
    })?;
    if output.to_string().len() > limits::OUTPUT_BYTES {
        return Err(format!("it is larger than {} bytes", limits::OUTPUT_BYTES));
    }
    Ok(output)
}

pub(crate) fn digest(payload: &Value) -> Digest {
    Digest::of(&[canonical(payload).to_string().as_bytes()])
}
