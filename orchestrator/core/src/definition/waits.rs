//! Steps that wait: `sleep`, `until`, `await`.

use super::{
    diagnostic::{Mark, code},
    keys, limits,
    model::{Await, Wait},
    node::{Node, Tree},
    reader::{Fields, Reader},
};
use crate::{expr::Template, time::Time};

/// Reads what a step waits for; `kind` is the key that says so. `None` if anything about it is wrong.
pub(super) fn read(reader: &mut Reader<'_>, fields: &Fields<'_>, kind: &str) -> Option<Wait> {
    let node = fields.get(kind)?;
    match kind {
        "sleep" => reader.duration(node, "sleep", limits::WAIT).map(Wait::Sleep),
        "until" => until(reader, node).map(Wait::Until),
        _ => signal(reader, fields, node).map(Wait::Signal),
    }
}

const A_TIME: &str = "until: \"${{ input.starts_at }}\", or a time like 2026-12-24T18:00:00Z";

fn until(reader: &mut Reader<'_>, node: &Node) -> Option<Template> {
    let template = match &node.value {
        Tree::Text(_) => reader.template(node)?,
        _ => {
            reader.error(code::WRONG_TYPE, node.at, format!("until is a time, not {}", node.what()), A_TIME);
            return None;
        }
    };
    // A time that stands there can be looked at now; one that is computed only then.
    if let Template::Literal(literal) = &template
        && literal.as_str().and_then(Time::parse_rfc3339).is_none()
    {
        let hint = "RFC 3339 with its offset, e.g. 2026-12-24T18:00:00Z";
        reader.error(code::BAD_TIME, node.at, "until is no time", hint);
        return None;
    }
    Some(template)
}

fn signal(reader: &mut Reader<'_>, fields: &Fields<'_>, node: &Node) -> Option<Await> {
    let name = reader.text(node, "await")?;
    let named = reader.name(name, node.at, "a signal", false);
    let timeout = match fields.get("timeout") {
        Some(node) => reader.duration(node, "timeout", limits::WAIT),
        None => {
            let hint = "timeout: 7d; before the pivot the step then fails, behind it a person is asked to look";
            reader.error(code::MISSING_KEY, fields.key_at("await"), "an `await` needs a `timeout`", hint);
            None
        }
    };
    let output = match fields.get("output") {
        Some(node) => Some(reader.template(node)?),
        None => None,
    };
    Some(Await { signal: name.into(), timeout: timeout?, output }).filter(|_| named)
}

/// The one thing that a step does. What is wrong with it has been said; keys of another kind, too.
pub(super) fn kind(reader: &mut Reader<'_>, name: &str, at: Mark, fields: &Fields<'_>) -> Option<&'static str> {
    let names = || keys::KINDS.iter().map(|(kind, _)| *kind).collect::<Vec<_>>().join(", ");
    let mut said = keys::KINDS.iter().filter(|(kind, _)| fields.get(kind).is_some());
    let Some((kind, own)) = said.next() else {
        reader.error(code::KINDS, at, format!("step `{name}` does nothing"), format!("give it one of: {}", names()));
        return None;
    };
    if let Some((other, _)) = said.next() {
        let message = format!("step `{name}` has `{kind}` and `{other}`: a step does one thing");
        reader.error(code::KINDS, fields.key_at(other), message, "make two steps of it");
        return None;
    }
    for key in keys::STEP.known.iter().map(|key| key.name) {
        let goes = key == *kind || keys::WITH_EVERY_KIND.contains(&key) || own.contains(&key);
        if !goes && fields.get(key).is_some() {
            let own: Vec<_> = own.iter().chain(&keys::WITH_EVERY_KIND).copied().collect();
            let hint = match (*kind, key) {
                ("saga", "compensate") => "a child undoes itself when it is told to: leave it out".to_owned(),
                ("saga", "timeout" | "retry") => "a child has a `deadline`, and its own steps have these".to_owned(),
                _ => format!("with `{kind}` go: {}", own.join(", ")),
            };
            let message = format!("`{key}` does not go with `{kind}`");
            reader.error(code::OF_ANOTHER_KIND, fields.key_at(key), message, hint);
        }
    }
    Some(kind)
}
