//! The headers of an attempt: those of the call, of the participant contract, and of HTTP.
//!
//! Who calls it: whoever sends, and `amends plan`, which shows what would be sent: so the two are one. **It must never know**
//! where a service is and how it authenticates.

use amends_core::{
    Rendered,
    definition::{Definition, Side},
    event::Started,
    ids::{CallId, Op, SagaId},
    time::Time,
};
use amends_protocol::participant::{self as wire, CallHeaders, CallbackToken};
use http::{HeaderMap, HeaderName, HeaderValue, header};

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("amends/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");

/// What the participant contract puts into an attempt's headers. `token` makes the one of a call whose verdict may come later.
///
/// # Panics
/// The definition has no such step.
pub fn call_headers(
    definition: &Definition,
    (saga, started): (SagaId, &Started),
    call: &CallId,
    (attempt, epoch): (u32, u64),
    token: impl FnOnce() -> Option<CallbackToken>,
) -> CallHeaders {
    let (_, step) = definition.step(&call.step).expect("invariant: an intended call has a step");
    let counts = call.op == Op::Action && step.side != Side::After;
    let later = call.op == Op::Action && step.call().is_some_and(|call| call.verdict_within.is_some());
    CallHeaders {
        saga: saga.0,
        name: started.name.to_string(),
        step: call.step.to_string(),
        index: call.index,
        op: match call.op {
            Op::Action => wire::Op::Action,
            Op::Compensate => wire::Op::Compensate,
        },
        attempt,
        epoch,
        deadline: started.deadline_at.filter(|_| counts).map(Time::to_rfc3339),
        traceparent: started.traceparent.clone(),
        callback: if later { token() } else { None },
    }
}

/// All headers of an attempt, apart from where it goes.
///
/// # Errors
/// A text that cannot stand in a header.
pub fn request_headers(rendered: &Rendered, call: &CallHeaders) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(16);
    for (name, value) in &rendered.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            return Err(format!("header {name} cannot be sent"));
        };
        headers.insert(name, value);
    }
    call.write(&mut headers).map_err(|error| format!("the call's own headers cannot be sent: {error}"))?;
    complete(&mut headers, rendered.body.is_some());
    Ok(headers)
}

/// What every request has.
pub(crate) fn complete(headers: &mut HeaderMap, has_body: bool) {
    if has_body {
        headers.insert(header::CONTENT_TYPE, JSON);
    }
    headers.insert(header::USER_AGENT, USER_AGENT);
    headers.entry(header::ACCEPT).or_insert(ANYTHING);
}
