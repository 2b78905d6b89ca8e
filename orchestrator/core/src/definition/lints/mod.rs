//! What is allowed and yet hardly meant: warnings over a definition that is right.
//!
//! Why apart from the checks: an error is about what cannot run, a warning about what somebody will be sorry for; only a whole
//! definition can be judged so. A lint that cries wolf is worse than none: each says nothing where it is not sure.
//! **It must never know** a run of it.

mod locks;
mod time;
mod undo;
mod unused;

use super::{
    diagnostic::Mark,
    model::Definition,
    node::{Key, Node, Tree},
    reader::Reader,
};
use crate::expr::{Expression, PathUse, Segment, Template, opening};

/// Says what is to be said of a definition without mistakes.
pub(super) fn check(reader: &mut Reader<'_>, root: &Node, definition: &Definition) {
    let Some(Node { value: Tree::Map(entries), .. }) = root.get("steps") else { return };
    let mut lints = Lints { reader, root, entries, definition };
    lints.undo();
    lints.unused();
    lints.time();
    lints.locks();
}

struct Lints<'r, 's, 'n> {
    reader: &'r mut Reader<'s>,
    root: &'n Node,
    /// The steps as written, in the order of [`Definition::steps`].
    entries: &'n [(Key, Node)],
    definition: &'n Definition,
}

impl Lints<'_, '_, '_> {
    fn warn(&mut self, code: &'static str, at: Mark, message: impl Into<String>, hint: impl Into<String>) {
        self.reader.findings.warn(code, at, message, hint);
    }

    /// Where a path begins.
    fn mark(&self, found: &Use<'_>) -> Mark {
        self.reader.place(found.at, found.text, opening(found.text, found.nth) + found.path.offset)
    }
}

/// A path that an expression reads, and where.
struct Use<'n> {
    path: PathUse,
    /// Of the scalar.
    at: Mark,
    text: &'n str,
    /// Which expression of the text, from 0.
    nth: usize,
}

impl Use<'_> {
    /// The name at `nth` of the path; an index has none.
    fn name(&self, nth: usize) -> Option<&str> {
        match self.path.segments.get(nth) {
            Some(Segment::Name(name)) => Some(name),
            Some(Segment::Index(_)) | None => None,
        }
    }

    fn is_output_of(&self, step: &str) -> bool {
        self.name(0) == Some("steps") && self.name(1) == Some(step) && self.name(2) == Some("output")
    }
}

/// Every path that is read anywhere in a node. What stands under the keys of bare expressions counts too.
fn uses(node: &Node) -> Vec<Use<'_>> {
    let mut found = Vec::new();
    gather(node, false, &mut found);
    found
}

/// Keys whose text is an expression without `${{ }}`.
const BARE: [&str; 3] = ["if", "until", "for_each"];

fn gather<'n>(node: &'n Node, bare: bool, found: &mut Vec<Use<'n>>) {
    match &node.value {
        Tree::Text(text) if bare && !text.contains("${{") => {
            let paths = Expression::parse(text).map(|expression| expression.paths().to_vec()).unwrap_or_default();
            found.extend(paths.into_iter().map(|path| Use { path, at: node.at, text, nth: 0 }));
        }
        Tree::Text(text) => {
            let Ok(template) = Template::parse_text(text) else { return };
            for (nth, expression) in template.expressions().into_iter().enumerate() {
                found.extend(expression.paths().iter().map(|path| Use { path: path.clone(), at: node.at, text, nth }));
            }
        }
        Tree::List(items) => items.iter().for_each(|item| gather(item, false, found)),
        Tree::Map(entries) => {
            entries.iter().for_each(|(key, value)| gather(value, BARE.contains(&key.name.as_str()), found));
        }
        Tree::Null | Tree::Bool(_) | Tree::Number(_) => {}
    }
}

/// The entries of a map.
fn entries(node: Option<&Node>) -> &[(Key, Node)] {
    match node {
        Some(Node { value: Tree::Map(entries), .. }) => entries,
        _ => &[],
    }
}

/// Where a key of a map stands, if it is there.
fn key_at(node: &Node, name: &str) -> Option<Mark> {
    entries(Some(node)).iter().find(|(key, _)| key.name == name).map(|(key, _)| key.at)
}
