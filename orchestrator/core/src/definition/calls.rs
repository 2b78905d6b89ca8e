//! One call: `service METHOD /path`, with its body, headers, timeout and retry.

use std::time::Duration;

use super::{
    callback::is_async,
    diagnostic::{Mark, code},
    keys, limits,
    model::{Call, Method, Retry},
    node::{Node, Tree},
    probe,
    reader::{Fields, Reader},
};
use crate::{
    expr::{Piece, Template},
    ids::ServiceName,
    render::is_dot_segment,
};

/// Whether a call goes forward or back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Action,
    Compensation,
    Probe,
}

/// `defaults:`, for actions.
pub(super) struct Defaults {
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Retry,
}

impl Defaults {
    pub(super) fn read(reader: &mut Reader<'_>, node: Option<&Node>) -> Self {
        let fields = node.and_then(|node| reader.fields(node, &keys::DEFAULTS));
        let Some(fields) = fields else { return Self { timeout: None, retry: Retry::ACTION } };
        Self {
            timeout: fields.get("timeout").and_then(|node| reader.duration(node, "timeout", limits::TIMEOUT)),
            retry: fields.get("retry").map_or(Retry::ACTION, |node| retry(reader, node, &Retry::ACTION)),
        }
    }
}

/// Headers that say where a call goes, who makes it and how it is carried: the orchestrator's and the catalogue's.
const RESERVED_HEADERS: [&str; 13] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "idempotency-key",
    "proxy-authorization",
    "te",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header, in lower case, is not a saga's to set.
pub(super) fn is_reserved(header: &str) -> bool {
    RESERVED_HEADERS.contains(&header) || header.starts_with("saga-")
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    role: Role,
    retry_default: &Retry,
    timeout_default: Option<Duration>,
) -> Option<Call> {
    let of_attempt = fields.get("timeout").filter(|_| !is_async(fields.get("async")));
    let timeout = of_attempt.map(|node| reader.duration(node, "timeout", limits::TIMEOUT));
    let retry = fields.get("retry").map_or(*retry_default, |node| retry(reader, node, retry_default));
    let body = fields.get("body").map(|node| reader.template(node));
    let headers = fields.get("headers").map_or(Some(vec![]), |node| headers(reader, node));
    let success_on = match fields.get("success_on") {
        Some(node) if role == Role::Compensation => success_on(reader, node),
        _ => vec![],
    };
    let reject_on = match fields.get("reject_on") {
        Some(node) if role == Role::Action => Some(probe::reject_on(reader, node)?),
        _ => None,
    };
    let node = fields.get("call")?;
    let text = reader.text(node, "call")?;
    let (service, method, path_text) = line(reader, text, node.at)?;
    let path = reader.pieces(text, text.trim_end().len() - path_text.len(), node.at)?;
    check_path(reader, &path, node.at)?;
    if let (Method::Get, Some(_)) = (method, fields.get("body")) {
        reader.error(
            code::BAD_CALL,
            fields.key_at("body"),
            "a GET has no body",
            "put values into the path or its query",
        );
    }
    Some(Call {
        service,
        method,
        path_text,
        path,
        headers: headers?,
        body: match body {
            Some(body) => Some(body?),
            None => None,
        },
        timeout: match timeout {
            Some(timeout) => Some(timeout?),
            None => timeout_default,
        },
        retry,
        success_on,
        reject_on,
    })
}

const SHAPE: &str = "write `<service> <METHOD> </path>`, e.g. `inventory POST /reservations`";

fn line(reader: &mut Reader<'_>, text: &str, at: Mark) -> Option<(ServiceName, Method, String)> {
    let (service, rest) = word(text.trim());
    let (method, path) = word(rest);
    if text.contains("://") && !path.contains("://") || service.contains('/') {
        let hint = "name a service of the catalogue; the catalogue knows its address";
        reader.error(code::HOST_IN_CALL, at, "a call names a service, never a host", hint);
        return None;
    }
    if service.contains("${{") || service.contains("}}") {
        let hint = "which service is called is fixed in the definition, so that no input can choose it";
        reader.error(code::HOST_IN_CALL, at, "the service cannot be an expression", hint);
        return None;
    }
    if !reader.name(service, at, "a service", false) {
        return None;
    }
    match reader.services {
        Some(known) if !known.has(service) => {
            let hint = match reader.findings.nearest(service, known.names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add `[services.{service}]` to the configuration"),
            };
            reader.error(code::UNKNOWN_SERVICE, at, format!("the catalogue has no service `{service}`"), hint);
        }
        Some(_) => {}
        None if reader.not_looked_up.insert(service.to_owned()) => {
            let message = format!("there is no catalogue here to look `{service}` up in");
            reader.findings.warn(
                code::SERVICE_NOT_CHECKED,
                at,
                message,
                "give the server's configuration with --config",
            );
        }
        None => {}
    }
    let Some(known) = Method::parse(method) else {
        let message = format!("`{method}` is no method of a call");
        let hint = format!("GET, POST, PUT, PATCH or DELETE; {SHAPE}");
        reader.error(code::BAD_CALL, at, message, hint);
        return None;
    };
    if !path.starts_with('/') || path.starts_with("//") {
        reader.error(code::BAD_CALL, at, "a path begins with one `/`", SHAPE);
        return None;
    }
    Some((service.into(), known, path.to_owned()))
}

/// The first word and what follows it.
fn word(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

fn check_path(reader: &mut Reader<'_>, path: &[Piece], at: Mark) -> Option<()> {
    let literal: String = path
        .iter()
        .map(|piece| match piece {
            Piece::Literal(text) => text.as_str(),
            Piece::Value(_) => "x",
        })
        .collect();
    if literal.len() > limits::PATH_BYTES {
        reader.error(
            code::BAD_CALL,
            at,
            format!("the path is longer than {} bytes", limits::PATH_BYTES),
            "put what is long into the body",
        );
        return None;
    }
    let bad =
        literal.chars().find(|c| c.is_whitespace() || c.is_control() || matches!(c, '#' | '\\' | '"' | '<' | '>'));
    if let Some(bad) = bad {
        let hint = "percent-encode it in literal parts; values of expressions are encoded for you";
        reader.error(code::BAD_CALL, at, format!("{bad:?} cannot stand in a path"), hint);
        return None;
    }
    if literal.split(['/', '?']).any(is_dot_segment) {
        reader.error(code::BAD_CALL, at, "a segment `.` or `..` leads elsewhere", "write the path it leads to");
        return None;
    }
    Some(())
}

fn headers(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<(String, Template)>> {
    let Tree::Map(entries) = &node.value else {
        reader.error(
            code::WRONG_TYPE,
            node.at,
            format!("headers are a map, not {}", node.what()),
            "headers: { X-Tenant: … }",
        );
        return None;
    };
    if entries.len() > limits::HEADERS {
        reader.error(
            code::TOO_LARGE,
            node.at,
            format!("more than {} headers", limits::HEADERS),
            "put what is much into the body",
        );
        return None;
    }
    let mut headers = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let name = key.name.to_ascii_lowercase();
        let token = !name.is_empty()
            && name.len() <= limits::NAME_BYTES
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !token {
            reader.error(code::BAD_HEADER, key.at, "this is no name of a header", "letters, digits, `-` and `_`");
        } else if is_reserved(&name) {
            let hint = "addresses and credentials are the catalogue's, `Saga-*` and the rest the orchestrator's";
            reader.error(code::BAD_HEADER, key.at, format!("a saga cannot set the header {}", key.name), hint);
        }
        headers.push(reader.template(value).map(|value| (name, value)));
    }
    headers.into_iter().collect()
}

/// The call of a text alone: nothing stands beside it.
pub(super) fn bare(reader: &mut Reader<'_>, node: &Node, timeout: Option<Duration>) -> Option<Call> {
    let text = reader.text(node, "call")?;
    let (service, method, path_text) = line(reader, text, node.at)?;
    let path = reader.pieces(text, text.trim_end().len() - path_text.len(), node.at)?;
    check_path(reader, &path, node.at)?;
    Some(Call {
        service,
        method,
        path_text,
        path,
        headers: vec![],
        body: None,
        timeout,
        retry: Retry::ACTION,
        success_on: vec![],
        reject_on: None,
    })
}

fn success_on(reader: &mut Reader<'_>, node: &Node) -> Vec<u16> {
    let Tree::List(items) = &node.value else {
        reader.error(
            code::WRONG_TYPE,
            node.at,
            format!("success_on is a list, not {}", node.what()),
            "success_on: [404, 410]",
        );
        return vec![];
    };
    let statuses = items.iter().filter_map(|item| reader.integer(item, "a status of success_on", 400, 499));
    statuses.filter_map(|status| u16::try_from(status).ok()).collect()
}

fn retry(reader: &mut Reader<'_>, node: &Node, default: &Retry) -> Retry {
    let mut retry = *default;
    let Some(fields) = reader.fields(node, &keys::RETRY) else { return retry };
    if let Some(node) = fields.get("attempts") {
        retry.attempts = match &node.value {
            Tree::Text(text) if text == "unlimited" => None,
            Tree::Text(_) => {
                let message = "attempts is a whole number or `unlimited`";
                reader.error(code::WRONG_TYPE, node.at, message, "attempts: 5");
                retry.attempts
            }
            _ => reader.integer(node, "attempts", 1, limits::ATTEMPTS).or(retry.attempts),
        };
    }
    if let Some(node) = fields.get("backoff") {
        retry.backoff = reader.duration(node, "backoff", limits::BACKOFF).unwrap_or(retry.backoff);
    }
    if let Some(node) = fields.get("max_backoff") {
        retry.max_backoff = reader.duration(node, "max_backoff", limits::BACKOFF).unwrap_or(retry.max_backoff);
    }
    if let Some(node) = fields.get("factor") {
        let factor = match &node.value {
            Tree::Number(number) => number.as_f64(),
            _ => None,
        };
        match factor.filter(|factor| (1.0..=limits::FACTOR).contains(factor)) {
            Some(factor) => retry.factor = factor,
            None => reader.error(
                code::OUT_OF_RANGE,
                node.at,
                format!("factor must be from 1 to {}", limits::FACTOR),
                "factor: 2",
            ),
        }
    }
    if retry.backoff > retry.max_backoff {
        if fields.get("max_backoff").is_some() {
            let hint = "max_backoff is the longest wait";
            reader.error(code::OUT_OF_RANGE, fields.key_at("max_backoff"), "backoff is longer than max_backoff", hint);
        }
        retry.max_backoff = retry.backoff;
    }
    retry
}
