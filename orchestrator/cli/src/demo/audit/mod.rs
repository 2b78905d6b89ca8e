//! The audit: a pure function from what the stores say to checks that hold or name who breaks them.
//!
//! **What it must never know:** what the demo did. It judges the books alone; `tests` shows that it notices when a number
//! in them is changed.

mod effects;
mod sums;
#[cfg(test)]
mod tests;

use amends_protocol::v1::{SagaStatus, SagaView};

use super::books::Books;
pub(super) use crate::audit::Check;
use crate::audit::journals;

/// Every check, in the order in which a person would ask.
pub(super) fn audit(books: &Books) -> Vec<Check> {
    vec![
        journals::every_saga_has_ended(&books.sagas, &books.acknowledged),
        journals::every_journal_is_whole(&books.sagas),
        effects::ledgers_agree_with_sagas(books),
        effects::orders_agree_with_sagas(books),
        effects::parcels_agree_with_orders(books),
        effects::money_moved_as_asked(books),
        sums::stock_adds_up(books),
        sums::every_account_adds_up(books),
        sums::no_money_between_banks_is_lost(books),
    ]
}

const ORDER: &str = "place-order";
const TRANSFER: &str = "transfer-money";

fn of<'a>(books: &'a Books, name: &'static str) -> impl Iterator<Item = &'a SagaView> {
    books.sagas.iter().map(|record| &record.view).filter(move |saga| saga.name == name)
}

fn completed(saga: &SagaView) -> bool {
    saga.status == SagaStatus::Completed
}

fn input<'a>(saga: &'a SagaView, field: &str) -> &'a serde_json::Value {
    &saga.input[field]
}
