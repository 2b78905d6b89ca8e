//! `labels`: words to find a saga by, computed at its start.

use super::{
    diagnostic::code,
    limits,
    node::{Node, Tree},
    reader::Reader,
};
use crate::expr::Template;

pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Vec<(String, Template)> {
    let Tree::Map(entries) = &node.value else {
        let message = format!("labels are a map, not {}", node.what());
        reader.error(code::WRONG_TYPE, node.at, message, "labels: { customer: \"${{ input.customer }}\" }");
        return vec![];
    };
    if entries.len() > limits::LABELS {
        let message = format!("more than {} labels", limits::LABELS);
        reader.error(code::TOO_LARGE, node.at, message, "labels are for finding a saga, not for carrying data");
        return vec![];
    }
    let mut labels = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        reader.name(&key.name, key.at, "a label", true);
        if let Tree::Null | Tree::List(_) | Tree::Map(_) = value.value {
            let message = format!("a label is a text, a number or a boolean, not {}", value.what());
            reader.error(code::WRONG_TYPE, value.at, message, "labels: { customer: \"${{ input.customer }}\" }");
        } else if let Some(template) = reader.template(value) {
            labels.push((key.name.clone(), template));
        }
    }
    labels
}
