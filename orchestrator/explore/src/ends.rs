//! The judge at the end of a run: the services' ledgers against what the saga says of itself.

use amends_core::{fold, state::StepState, summary::Status};

use crate::{
    findings::Code,
    model::{Model, Undone},
    node::{Book, Node, Row},
    watch::{raise, violation},
};

/// Nothing follows any more, and everything that was late has arrived. `excused`: somebody of its family waits for a person.
pub(crate) fn judge(model: &Model<'_>, node: &Node, faults: u8, excused: bool) {
    let status = node.state.status;
    if faults == 0 && status != Status::Completed {
        let message = "the saga does not complete, although nothing goes wrong".to_owned();
        raise(model, Code::NeverCompletes, None, message);
    }
    if node.state.status != status_of(node) {
        violation(model, Code::Journal, None, "the journal has ended otherwise than the state says");
    }
    match status {
        Status::Completed | Status::Compensated => effects(model, node, status),
        _ if node.state.attention.is_empty() && !excused => {
            violation(
                model,
                Code::Liveness,
                None,
                "nothing happens any more, the saga has not ended, and nobody is told",
            );
        }
        // Somebody was told; the reasons were judged as they came.
        _ => {}
    }
}

/// Invariant 2: the journal alone gives the state, and the row beside it. Only where it was kept.
pub(crate) fn folds(model: &Model<'_>, node: &Node) {
    let journals = model.journal.borrow();
    let journal = journals.get(&node.state.saga).map(Vec::as_slice).unwrap_or_default();
    match fold(node.state.saga, journal) {
        Ok(folded) if folded == node.state && folded.summary() == node.state.summary() => {}
        Ok(_) => violation(model, Code::Journal, None, "the journal does not fold to the state"),
        Err(illegal) => violation(model, Code::Journal, None, &illegal.to_string()),
    }
}

fn status_of(node: &Node) -> Status {
    match (node.watch.ended, node.watch.undoing) {
        (true, true) => Status::Compensated,
        (true, false) => Status::Completed,
        (false, true) => Status::Compensating,
        (false, false) if node.watch.succeeded => Status::Succeeded,
        (false, false) => Status::Running,
    }
}

/// Invariants 1 and 3.
fn effects(model: &Model<'_>, node: &Node, status: Status) {
    for (ix, step) in model.truth.steps.iter().enumerate() {
        let Some(known) = &model.steps[ix] else { continue };
        let skipped = matches!(node.state.step(&step.name), Some(StepState::Skipped) | None);
        let mut units = 0;
        for (unit, book) in node.books(ix) {
            units += 1;
            let Book { applied, undone, .. } = finished(*book);
            if book.blamed || !known.effect {
                continue;
            }
            let lawful = match (status, known.undo) {
                (Status::Completed, _) if skipped => (applied, undone) == (0, 0),
                (Status::Completed, _) => (applied, undone) == (1, 0),
                (_, Undone::ByCall) => applied == undone && applied <= 1,
                (_, Undone::Never) => (applied, undone) == (0, 0),
                (_, Undone::Nothing) => applied <= 1 && undone == 0,
            };
            if !lawful {
                let message = format!(
                    "{}: applied {applied} and undone {undone}, and the saga is {}",
                    model.words(unit),
                    status.as_str()
                );
                violation(model, Code::Effects, Some(unit), &message);
            } else if status == Status::Compensated && known.undo == Undone::Nothing && applied > 0 {
                let message = format!("the saga is undone, and what `{}` did stays: `compensate: none`", step.name);
                raise(model, Code::NoUndo, Some(&step.name), message);
            }
        }
        let items = match node.state.step(&step.name) {
            Some(StepState::Each(each)) => each.items.len(),
            _ => 1,
        };
        if status == Status::Completed && !skipped && units != items {
            let message = format!("{} is said to be done and was never called", step.name);
            violation(model, Code::Effects, None, &message);
        }
    }
}

/// Whoever accepted something and heard no more of it means to finish it.
fn finished(book: Book) -> Book {
    match book.row {
        Row::Accepted => Book { applied: book.applied + 1, ..book },
        _ => book,
    }
}
