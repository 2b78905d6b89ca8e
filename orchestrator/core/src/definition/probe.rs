//! `idempotent`, `probe` and `reject_on`: what to do about an action that cannot simply be sent again.

use std::time::Duration;

use super::{
    calls::{self, Role},
    diagnostic::code,
    keys, limits,
    model::{Call, Method, Probe, Retry, Side},
    node::{Node, Tree},
    reader::{Fields, Reader},
};

/// They say *later*, never *no*.
const NEVER_A_NO: [u32; 3] = [408, 425, 429];

/// `idempotent`. The pivot must be certain some day: what may have happened there has to be asked after.
pub(super) fn idempotent(reader: &mut Reader<'_>, fields: &Fields<'_>, side: Side) -> Option<bool> {
    let Some(node) = fields.get("idempotent") else { return Some(true) };
    let idempotent = reader.boolean(node, "idempotent")?;
    if !idempotent && side == Side::Pivot && fields.get("probe").is_none() {
        let message = "the pivot with `idempotent: false` has no `probe`";
        let hint =
            "add `probe: <service> GET </path>`: nothing else tells whether everything before it is to be undone";
        reader.error(code::PIVOT_WITHOUT_PROBE, fields.key_at("idempotent"), message, hint);
    }
    Some(idempotent)
}

/// `probe`: a text, or a map with more.
pub(super) fn probe(
    reader: &mut Reader<'_>,
    node: &Node,
    action: Option<&Call>,
    default: Option<Duration>,
) -> Option<Probe> {
    let timeout = action.and_then(|action| action.timeout).or(default);
    let (call, settle, at) = match &node.value {
        Tree::Text(_) => (calls::bare(reader, node, timeout)?, None, node.at),
        _ => {
            let fields = reader.fields(node, &keys::PROBE)?;
            let settle = match fields.get("settle") {
                Some(node) => Some(reader.duration(node, "settle", limits::BACKOFF)?),
                None => None,
            };
            let at = fields.get("call").map_or(node.at, |call| call.at);
            (calls::read(reader, &fields, Role::Probe, &Retry::ACTION, timeout)?, settle, at)
        }
    };
    if call.method != Method::Get {
        let message = format!("a probe only asks, so it is a GET, not a {}", call.method.as_str());
        reader.error(code::BAD_PROBE, at, message, "call the route that reads what the action wrote");
    }
    // Only the service that was called can say what it did, and only its own contract says what its answers are worth.
    if let Some(action) = action.filter(|action| action.service != call.service) {
        let message = format!("a probe asks the service that was called, `{}`, not `{}`", action.service, call.service);
        reader.error(code::BAD_PROBE, at, message, "only that service can know whether it was applied");
    }
    Some(Probe { call, settle })
}

pub(super) fn reject_on(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<u16>> {
    let Tree::List(items) = &node.value else {
        let message = format!("reject_on is a list, not {}", node.what());
        reader.error(code::WRONG_TYPE, node.at, message, "reject_on: [409, 422]");
        return None;
    };
    let mut statuses = Vec::with_capacity(items.len());
    for item in items {
        let Some(status) = reader.integer(item, "a status of reject_on", 400, 499) else { continue };
        if NEVER_A_NO.contains(&status) {
            let message = format!("{status} asks to come again later; it is never a no");
            reader.error(code::OUT_OF_RANGE, item.at, message, "take it out: it is retried by itself");
        }
        statuses.extend(u16::try_from(status));
    }
    Some(statuses)
}
