//! `async`: a call that its participant accepts now and decides later.

use std::time::Duration;

use super::{
    diagnostic::code,
    limits,
    node::{Key, Node, Tree},
    reader::{Fields, Reader},
};

/// Whether the participant may call back. Then `timeout` is the longest wait for its verdict, and not that for one attempt.
pub(super) fn is_async(node: Option<&Node>) -> bool {
    matches!(node, Some(Node { value: Tree::Bool(true), .. }))
}

/// The longest wait for the verdict; `None`: the answer to the call is all there is.
///
/// # Errors
/// Something about it is wrong, and has been said.
pub(super) fn verdict_within(reader: &mut Reader<'_>, key: &Key, fields: &Fields<'_>) -> Result<Option<Duration>, ()> {
    let Some(node) = fields.get("async") else { return Ok(None) };
    if !reader.boolean(node, "async").ok_or(())? {
        return Ok(None);
    }
    let Some(timeout) = fields.get("timeout") else {
        let hint = "timeout: 2d; how long it may take from the 202 to the callback. One attempt has `defaults.timeout`";
        let message = format!("step `{}` is `async` and needs a `timeout`", key.name);
        reader.error(code::MISSING_KEY, fields.key_at("async"), message, hint);
        return Err(());
    };
    reader.duration(timeout, "timeout", limits::WAIT).map(Some).ok_or(())
}
