//! Compensations that cannot do what they are for.

use super::{Lints, key_at, uses};
use crate::{
    definition::{
        diagnostic::{Mark, code},
        model::{Call, Method, Side, Step, Undo},
        node::{Node, Tree},
    },
    expr::{Piece, Segment},
};

/// They say *later*, not *done*.
const TRANSIENT: [u64; 3] = [408, 425, 429];

impl Lints<'_, '_, '_> {
    pub(super) fn undo(&mut self) {
        let (entries, definition) = (self.entries, self.definition);
        for ((key, node), step) in entries.iter().zip(&definition.steps) {
            if let (Undo::Call(call), Some(written)) = (step.undo(), node.get("compensate")) {
                let at = written.get("call").map_or(written.at, |call| call.at);
                self.without_a_reply(step, call, written, at);
                self.transient_success(written);
                if call.method == Method::Get {
                    let message = format!("a GET changes nothing, so it does not undo `{}`", key.name);
                    let hint = "call what undoes it, or write `compensate: none` with a `reason`";
                    self.warn(code::GET_CHANGES_NOTHING, at, message, hint);
                } else if does_it_again(step, call, node, written) {
                    let message = format!("the compensation of `{}` is its action once more", key.name);
                    self.warn(code::DONE_AGAIN, at, message, "call what undoes it");
                }
            }
            if let (Side::After, Some(call), Some(at)) = (step.side, step.call(), key_at(node, "idempotent"))
                && !call.idempotent
                && call.probe.is_none()
            {
                let message = format!("an answer of `{}` that is lost waits for a person", key.name);
                let hint = "behind the pivot it can neither be undone nor sent again: add a `probe` that tells whether it was applied";
                self.warn(code::WAITS_FOR_A_PERSON, at, message, hint);
            }
            let calls_get =
                node.get("call").filter(|_| step.call().is_some_and(|call| call.action.method == Method::Get));
            if let (Side::Pivot, Some(call)) = (step.side, calls_get) {
                let message = format!("a GET changes nothing, so `{}` is no point of no return", key.name);
                let hint = "the pivot is the step that cannot be undone once it has succeeded";
                self.warn(code::GET_CHANGES_NOTHING, call.at, message, hint);
            }
        }
    }

    /// After a lost reply the compensation has only what was known before the call.
    fn without_a_reply(&mut self, step: &Step, call: &Call, written: &Node, at: Mark) {
        let name = step.name.as_str();
        if call.path.iter().any(|piece| is_empty_without(piece, name)) {
            let message = format!("without a reply of `{name}` this path has an empty part, so the step is never sent");
            let hint = "an action is sent only if it could be undone after a lost reply: use saga.id instead";
            return self.warn(code::EMPTY_WITHOUT_REPLY, at, message, hint);
        }
        let found = uses(written);
        let own = found.iter().filter(|found| found.is_output_of(name)).count();
        if own > 0 && own == found.len() {
            let message = format!("after a lost reply of `{name}` this says nothing of what is to be undone");
            let hint = "add something that is known before the call, e.g. saga.id";
            self.warn(code::ONLY_WITH_REPLY, at, message, hint);
        }
    }

    fn transient_success(&mut self, written: &Node) {
        let Some(Node { value: Tree::List(items), .. }) = written.get("success_on") else { return };
        for item in items {
            let Tree::Number(number) = &item.value else { continue };
            if number.as_u64().is_some_and(|status| TRANSIENT.contains(&status)) {
                let message = format!("{number} asks to come again later; it does not mean that anything is undone");
                self.warn(code::TRANSIENT_SUCCESS, item.at, message, "take it out: it is retried by itself");
            }
        }
    }
}

/// An expression of the step's own output that is nothing where there is none.
fn is_empty_without(piece: &Piece, step: &str) -> bool {
    let Piece::Value(expression) = piece else { return false };
    let own = |path: &[Segment]| matches!(path, [Segment::Name(steps), Segment::Name(name), ..] if &**steps == "steps" && &**name == step);
    let paths = expression.paths();
    if paths.is_empty() || !paths.iter().all(|path| path.guarded && own(&path.segments)) {
        return false;
    }
    expression
        .evaluate(&|_| None)
        .is_ok_and(|value| value.is_null() || value == "" || value.is_array() || value.is_object())
}

/// The same request: nothing tells the one from the other but its headers.
fn does_it_again(step: &Step, undo: &Call, node: &Node, written: &Node) -> bool {
    let Some(action) = step.call().map(|call| &call.action) else { return false };
    let body = |node: &Node| node.get("body").map(Node::to_json);
    (&action.service, action.method, &action.path_text) == (&undo.service, undo.method, &undo.path_text)
        && body(node) == body(written)
}
