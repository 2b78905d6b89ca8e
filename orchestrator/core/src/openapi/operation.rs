//! What the document says of one method of one path.

use serde_json::Value;

use super::{
    Api,
    answer::{self, Told},
    schema::{self, Looks, Refusal},
};
use crate::{definition::node::Node, expr::Segment as Step};

/// One operation.
#[derive(Debug)]
pub(crate) struct Operation<'a> {
    pub(super) api: &'a Api,
    item: &'a Value,
    operation: &'a Value,
}

/// What it says of the body of a request.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    pub(crate) required: bool,
    /// Of JSON, if it takes that.
    schema: Option<&'a Value>,
}

/// Where a parameter goes that the caller must give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum In {
    Header,
    Query,
}

impl<'a> Operation<'a> {
    pub(super) fn new(api: &'a Api, item: &'a Value, operation: &'a Value) -> Self {
        Self { api, item, operation }
    }

    /// `None`: it declares none.
    pub(crate) fn body(&self) -> Option<Body<'a>> {
        let declared = self.operation.get("requestBody")?;
        // One that leads nowhere was refused with the document.
        let Some(body) = self.api.resolved(declared) else { return Some(Body { required: false, schema: None }) };
        let required = body.get("required") == Some(&Value::Bool(true));
        let schema = body.get("content").and_then(Value::as_object).and_then(|content| {
            // The most particular first; it is sent as `application/json`.
            let named = |name: &str| content.iter().find(|(kind, _)| media_type(kind) == name);
            named("application/json").or_else(|| named("application/*")).or_else(|| named("*/*"))?.1.get("schema")
        });
        Some(Body { required, schema })
    }

    /// What is wrong with a body, if that is certain.
    pub(crate) fn refuses(&self, body: &Body<'a>, given: &Node, looks: &mut Looks) -> Option<Refusal> {
        schema::refusal(self.api, body.schema?, given, looks)
    }

    /// The parameters that must be given in headers or in the query, by name.
    pub(crate) fn required_parameters(&self) -> Vec<(In, &'a str)> {
        let own = parameters(self.operation);
        // The operation's own go before those of the path that are called the same.
        let mut known: Vec<(&str, &str)> = vec![];
        let mut required = vec![];
        for parameter in own.chain(parameters(self.item)).take(PARAMETERS) {
            let Some(parameter) = self.api.resolved(parameter) else { continue };
            let text = |key: &str| parameter.get(key).and_then(Value::as_str);
            let (Some(name), Some(place)) = (text("name"), text("in")) else { continue };
            if known.contains(&(name, place)) {
                continue;
            }
            known.push((name, place));
            let place = match place {
                "header" => In::Header,
                "query" => In::Query,
                _ => continue,
            };
            if parameter.get("required") == Some(&Value::Bool(true)) {
                required.push((place, name));
            }
        }
        required
    }

    /// Whether a successful answer has what `path` below its body names.
    pub(crate) fn tells(&self, path: &[Step], looks: &mut Looks) -> Told {
        let Some(declared) = self.operation.get("responses").and_then(Value::as_object) else { return Told::Perhaps };
        let successes = declared.iter().filter(|(status, _)| is_success(status));
        let bodies = successes.filter_map(|(_, answer)| match self.api.resolved(answer) {
            Some(answer) => answer.get("content").and_then(Value::as_object).map(Some),
            None => Some(None),
        });
        // What has no body cannot have it either, and says nothing of those that do.
        let told = bodies.map(|content| match content.map(|content| (content.len(), content.iter().next())) {
            Some((1, Some((kind, of)))) if media_type(kind).ends_with("json") => {
                of.get("schema").map_or(Told::Perhaps, |schema| answer::told(self.api, schema, path, looks))
            }
            _ => Told::Perhaps,
        });
        told.max().unwrap_or(Told::Perhaps)
    }
}

/// More than that no request has.
const PARAMETERS: usize = 256;

fn parameters(of: &Value) -> impl Iterator<Item = &Value> {
    of.get("parameters").and_then(Value::as_array).into_iter().flatten()
}

/// Without its parameters, in lower case.
fn media_type(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_success(status: &str) -> bool {
    status.len() == 3 && status.starts_with('2')
}
