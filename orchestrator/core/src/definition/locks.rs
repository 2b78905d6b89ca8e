//! `locks`: names of what a saga has for itself, computed at its start.

use super::{
    diagnostic::code,
    limits,
    node::{Node, Tree},
    reader::Reader,
};
use crate::expr::Template;

const EXAMPLE: &str = "locks: [\"account:${{ input.from }}\"]";

pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Vec<Template> {
    let Tree::List(items) = &node.value else {
        reader.error(code::WRONG_TYPE, node.at, format!("locks are a list, not {}", node.what()), EXAMPLE);
        return vec![];
    };
    if items.len() > limits::LOCKS {
        let message = format!("more than {} locks", limits::LOCKS);
        reader.error(code::TOO_LARGE, node.at, message, "lock what the saga is about, not each of its parts");
        return vec![];
    }
    let mut locks = Vec::with_capacity(items.len());
    for item in items {
        match &item.value {
            Tree::Text(text) if text.is_empty() => {
                reader.error(code::BAD_NAME, item.at, "a lock without a name", EXAMPLE);
            }
            Tree::Text(text) if !text.contains("${{") && text.len() > limits::LOCK_BYTES => {
                let message = format!("a lock's name is at most {} bytes", limits::LOCK_BYTES);
                reader.error(code::TOO_LARGE, item.at, message, EXAMPLE);
            }
            Tree::Text(_) => locks.extend(reader.template(item)),
            _ => {
                let message = format!("a lock is a text, not {}", item.what());
                reader.error(code::WRONG_TYPE, item.at, message, EXAMPLE);
            }
        }
    }
    locks
}
