//! Calls held against the OpenAPI documents of their services, where the catalogue names one.
//!
//! What a document does not decide for certain is not said. **It must never know** where a document came from.

use super::{
    callback::is_async,
    diagnostic::{Mark, code},
    model::{Call, Kind, Step, Undo},
    node::{Key, Node, Tree},
    reader::{Reader, did_you_mean},
    services::Described,
};
use crate::{
    expr::{Piece, Segment, Template, opening},
    openapi::{self, In, Looks, Operation, Refusal, Route, Told, What},
};

struct Checker<'r, 's> {
    reader: &'r mut Reader<'s>,
    looks: Looks,
}

/// Where the parts of a call stand.
#[derive(Clone, Copy)]
struct Place<'n> {
    call: &'n Node,
    body: Option<&'n Node>,
}

pub(super) fn check(reader: &mut Reader<'_>, entries: &[(Key, Node)], steps: &[Option<Step>]) {
    let mut checker = Checker { reader, looks: Looks::default() };
    // About what is not read there has been said enough.
    for ((_, node), step) in entries.iter().zip(steps) {
        let Some(Kind::Call(step)) = step.as_ref().map(|step| &step.kind) else { continue };
        if let Some(operation) = checker.call_in(node, &step.action)
            && !is_async(node.get("async"))
        {
            checker.output(node.get("output"), &step.action, &operation);
        }
        if let (Some(node), Undo::Call(call)) = (node.get("compensate"), &step.undo) {
            checker.call_in(node, call);
        }
        match (node.get("probe"), &step.probe) {
            (Some(node @ Node { value: Tree::Text(_), .. }), Some(probe)) => {
                checker.call(Place { call: node, body: None }, &probe.call);
            }
            (Some(node), Some(probe)) => drop(checker.call_in(node, &probe.call)),
            _ => {}
        }
    }
}

/// So many paths or methods are named where none is near.
const NAMED: usize = 5;

impl<'s> Checker<'_, 's> {
    /// The call of a map that has `call`, and perhaps `body`.
    fn call_in(&mut self, node: &Node, call: &Call) -> Option<Operation<'s>> {
        self.call(Place { call: node.get("call")?, body: node.get("body") }, call)
    }

    /// What the document says of a call, once what is wrong with it has been said.
    fn call(&mut self, place: Place<'_>, call: &Call) -> Option<Operation<'s>> {
        let Described { api, base } = self.reader.services?.described(call.service.as_str())?;
        let segments = openapi::segments(&call.path);
        match api.route(base, &segments, &call.method.as_str().to_ascii_lowercase()) {
            Route::Found(operation) => {
                self.parameters(place, call, &operation);
                self.body(place, call, &operation);
                Some(operation)
            }
            Route::NoMethod { path, methods } => {
                let message = format!("`{}` has `{path}`, but not for {}", call.service, call.method.as_str());
                let hint = format!("its document has {}", methods.join(", "));
                let at = self.word(place.call, call.method.as_str());
                self.reader.error(code::METHOD_NOT_THERE, at, message, hint);
                None
            }
            Route::NoPath { near } => {
                let given = openapi::comparable(&segments);
                let nearest = self.reader.findings.nearest(&given, near.iter().map(|(path, _)| path.as_str()));
                let nearest = near.iter().find(|(path, _)| Some(path.as_str()) == nearest).map(|(_, path)| *path);
                let hint = did_you_mean(nearest, || {
                    let some: Vec<_> = api.some_paths().take(NAMED).map(|path| format!("`{path}`")).collect();
                    format!("its document has {}{}", some.join(", "), if some.len() == NAMED { ", …" } else { "" })
                });
                let at = self.word(place.call, &call.path_text);
                let message = format!("`{}` has no path `{}`", call.service, path_of(&call.path_text));
                self.reader.error(code::PATH_NOT_THERE, at, message, hint);
                None
            }
            Route::Unclear => None,
        }
    }

    fn parameters(&mut self, place: Place<'_>, call: &Call, operation: &Operation<'_>) {
        let given = query(&call.path);
        for (part, name) in operation.required_parameters() {
            let (missing, hint) = match part {
                In::Header => {
                    let lower = name.to_ascii_lowercase();
                    let there = is_sent_anyway(&lower) || call.headers.iter().any(|(header, _)| *header == lower);
                    (!there, format!("headers: {{ {name}: … }}"))
                }
                In::Query => {
                    let there = given.as_ref().is_none_or(|given| given.iter().any(|given| given == name));
                    (!there, format!("write it behind the path: `?{name}=…`"))
                }
            };
            if missing {
                let what = if part == In::Header { "the header" } else { "the query parameter" };
                let message = format!("`{}` requires {what} `{name}` of this call", call.service);
                let at = self.word(place.call, &call.path_text);
                self.reader.error(code::PARAMETER_MISSING, at, message, hint);
            }
        }
    }

    fn body(&mut self, place: Place<'_>, call: &Call, operation: &Operation<'_>) {
        match (operation.body(), place.body) {
            (Some(body), None) if body.required => {
                let message = format!("`{}` requires a body of this call", call.service);
                let at = self.word(place.call, &call.path_text);
                self.reader.error(code::BODY_MISSING, at, message, "add `body: { … }`");
            }
            (Some(body), Some(given)) => {
                if let Some(refusal) = operation.refuses(&body, given, &mut self.looks) {
                    self.refused(refusal);
                }
            }
            (None, Some(given)) => {
                let message = format!("the document of `{}` has no body for this call", call.service);
                let hint = "leave it out, or have it declared: what is not declared may not be read";
                self.reader.findings.warn(code::BODY_NOT_DECLARED, given.at, message, hint);
            }
            (_, None) => {}
        }
    }

    fn refused(&mut self, refusal: Refusal) {
        let meant = refusal.meant.as_ref();
        let near = meant.and_then(|(word, known)| self.reader.findings.nearest(word, known.iter().map(String::as_str)));
        let (code, hint) = match refusal.what {
            What::FieldMissing => (code::FIELD_MISSING, "add it: without it the call is refused there".to_owned()),
            What::FieldUnknown => {
                let known = meant.map(|(_, known)| known.iter().take(NAMED).cloned().collect::<Vec<_>>());
                let known = known.unwrap_or_default().join(", ");
                let others = || if known.is_empty() { "take it out".to_owned() } else { format!("it knows {known}") };
                (code::FIELD_UNKNOWN, did_you_mean(near, others))
            }
            What::Value => {
                (code::VALUE_DOES_NOT_FIT, did_you_mean(near, || "see the schema in the service's document".to_owned()))
            }
        };
        self.reader.error(code, refusal.at, refusal.message, hint);
    }

    /// What an `output` reads of the answer. What it says to take instead may be missing.
    fn output(&mut self, node: Option<&Node>, call: &Call, operation: &Operation<'_>) {
        match node.map(|node| (&node.value, node.at)) {
            Some((Tree::Text(text), at)) => {
                let Ok(template) = Template::parse_text(text) else { return };
                for (nth, expression) in template.expressions().into_iter().enumerate() {
                    for path in expression.paths().iter().filter(|path| !path.guarded) {
                        let [Segment::Name(response), Segment::Name(body), below @ ..] = &path.segments[..] else {
                            continue;
                        };
                        if (&**response, &**body) != ("response", "body") {
                            continue;
                        }
                        let told = operation.tells(below, &mut self.looks);
                        if told == Told::Perhaps {
                            continue;
                        }
                        let at = self.reader.place(at, text, opening(text, nth) + path.offset);
                        self.not_told(told, &path.to_string(), at, call);
                    }
                }
            }
            Some((Tree::List(items), _)) => items.iter().for_each(|item| self.output(Some(item), call, operation)),
            Some((Tree::Map(entries), _)) => {
                entries.iter().for_each(|(_, value)| self.output(Some(value), call, operation));
            }
            Some((Tree::Null | Tree::Bool(_) | Tree::Number(_), _)) | None => {}
        }
    }

    fn not_told(&mut self, told: Told, path: &str, at: Mark, call: &Call) {
        let service = &call.service;
        if told == Told::Excluded {
            let message = format!("by the document of `{service}` no answer to this call has `{path}`");
            let hint = "without it every answer would be unusable: see the schema of the answer there";
            self.reader.error(code::NOT_IN_ANSWER, at, message, hint);
        } else {
            let message = format!("the document of `{service}` does not mention `{path}` in an answer to this call");
            let hint = "see the schema of the answer there, or say what to take without it: `| default(…)`";
            self.reader.findings.warn(code::ANSWER_NOT_MENTIONED, at, message, hint);
        }
    }

    /// Where a word of a call's line stands.
    fn word(&self, call: &Node, word: &str) -> Mark {
        let Tree::Text(text) = &call.value else { return call.at };
        self.reader.place(call.at, text, text.find(word).unwrap_or(0))
    }
}

/// Those that the orchestrator or the catalogue gives, which a saga cannot; and two that OpenAPI says are none of its own.
fn is_sent_anyway(header: &str) -> bool {
    super::calls::is_reserved(header) || header == "accept"
}

/// Without its query.
fn path_of(text: &str) -> &str {
    // A question mark of an expression is none of the path.
    match (text.find('?'), text.rfind("}}")) {
        (Some(query), Some(end)) if query < end => text,
        (Some(query), _) => &text[..query],
        (None, _) => text,
    }
}

/// The names in a query. `None`: an expression is in one of them.
fn query(path: &[Piece]) -> Option<Vec<String>> {
    let text: String = path
        .iter()
        .map(|piece| match piece {
            Piece::Literal(text) => text.as_str(),
            Piece::Value(_) => "\0",
        })
        .collect();
    let query = text.split_once('?').map_or("", |(_, query)| query);
    let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    names.map(|name| (!name.contains('\0')).then(|| openapi::decoded(name).into_owned())).collect()
}
