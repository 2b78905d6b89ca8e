//! The request that asks whether an action was applied: it carries the action's key, no body, and changes nothing, so no
//! intent is written for it.

use amends_core::{Terms, definition::Definition, ids::CallId, render_probe, state::State};
use amends_protocol::participant::{CallHeaders, Op};

use crate::{Catalogue, Request};

/// How to ask after this attempt.
///
/// # Errors
/// Why it cannot be asked; as an answer that says nothing.
pub(crate) fn prepare(
    catalogue: &Catalogue,
    definition: &Definition,
    state: &State,
    call: &CallId,
    attempt: u32,
) -> Result<(Request, Terms), String> {
    let rendered = render_probe(definition, state, call)?;
    let service = catalogue.get(&rendered.service);
    let service = service.ok_or_else(|| format!("the catalogue has no service {}", rendered.service))?;
    let probe = definition.step(&call.step).and_then(|(_, step)| step.call()?.probe.as_ref());
    let timeout = probe.and_then(|probe| probe.call.timeout).unwrap_or(service.timeout);
    let headers = CallHeaders {
        saga: state.saga.0,
        name: state.started.name.to_string(),
        step: call.step.to_string(),
        index: call.index,
        op: Op::Probe,
        attempt,
        epoch: state.epoch,
        deadline: None,
        traceparent: state.started.traceparent.clone(),
        callback: None,
    };
    Ok((Request { rendered, headers, started: state.started.clone(), timeout }, service.terms()))
}
