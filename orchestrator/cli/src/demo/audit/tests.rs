//! Negative controls: whoever changes a number in the books is found out, by the check that guards it.

use amends_protocol::v1::{HistoryEntry, SagaView};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Check, audit};
use crate::demo::books::{
    Account, Books, Entry, LedgerEntry, Money, Order, Record, Reservation, Seeded, Shipment, Stock,
};

const ORDER_DONE: Uuid = Uuid::from_u128(1);
const ORDER_UNDONE: Uuid = Uuid::from_u128(2);
const TRANSFER_DONE: Uuid = Uuid::from_u128(3);
const TRANSFER_UNDONE: Uuid = Uuid::from_u128(4);
const AT: &str = "2026-11-24T17:00:00Z";

/// Steps of the two definitions: name, service, method.
const ORDER_STEPS: [(&str, &str, &str); 5] = [
    ("open", "orders", "POST"),
    ("reserve", "inventory", "POST"),
    ("charge", "payments", "POST"),
    ("ship", "shipping", "POST"),
    ("confirm", "orders", "POST"),
];
const TRANSFER_STEPS: [(&str, &str, &str); 3] =
    [("payee", "bank-b", "GET"), ("withdraw", "bank-a", "POST"), ("deposit", "bank-b", "POST")];

fn record(id: Uuid, name: &str, status: &str, input: Value, steps: &[(&str, &str, &str)]) -> Record {
    let steps: Vec<Value> = steps
        .iter()
        .map(|(step, service, method)| {
            let action = json!({ "service": service, "method": method, "attempts": [] });
            json!({ "name": step, "status": "succeeded", "pivot": false, "needs": [], "action": action })
        })
        .collect();
    let view = json!({
        "id": id, "name": name, "version": 1, "definition": "", "status": status, "attention": [], "input": input,
        "labels": {}, "started_at": AT, "updated_at": AT, "epoch": 1, "steps": steps,
    });
    let view: SagaView = serde_json::from_value(view).expect("a view");
    let kinds = ["saga_started".to_owned(), "call_succeeded".to_owned(), format!("saga_{status}")];
    let journal = (1..).zip(kinds).map(|(seq, kind)| event(seq, &kind)).collect();
    Record { view, journal }
}

fn event(seq: u64, kind: &str) -> HistoryEntry {
    serde_json::from_value(json!({ "seq": seq, "epoch": 1, "at": AT, "event": { "kind": kind } })).expect("an event")
}

fn ledger(entries: &[(Uuid, &str, &str)]) -> Vec<LedgerEntry> {
    let entry = |(saga, step, effect): &(Uuid, &str, &str)| LedgerEntry {
        index: None,
        saga: *saga,
        step: (*step).to_owned(),
        effect: (*effect).to_owned(),
    };
    entries.iter().map(entry).collect()
}

fn account(id: &str, balance: i64) -> Account {
    Account { id: id.to_owned(), balance }
}

fn entry(kind: &str, saga: Uuid, account: &str, amount: i64, status: &str) -> Entry {
    Entry {
        kind: kind.to_owned(),
        reference: saga.to_string(),
        account: account.to_owned(),
        amount,
        status: status.to_owned(),
    }
}

/// Books in which everything is right: an order and a transfer that went well, and one of each that was undone.
fn books() -> Books {
    let order = |customer: &str| json!({ "customer": customer, "sku": "lamp", "quantity": 1, "amount": 100 });
    let transfer = |to: &str| json!({ "from": "ada", "to": to, "amount": 30 });
    let seeded = |accounts: &[(&str, i64)]| accounts.iter().map(|(id, balance)| ((*id).to_owned(), *balance)).collect();
    Books {
        seeded: Seeded {
            stock: [("lamp".to_owned(), 10)].into(),
            accounts: [
                ("payments".to_owned(), seeded(&[("ada", 500), ("bob", 0)])),
                ("bank-a".to_owned(), seeded(&[("ada", 500)])),
                ("bank-b".to_owned(), seeded(&[("grace", 0)])),
            ]
            .into(),
        },
        acknowledged: vec![ORDER_DONE, ORDER_UNDONE, TRANSFER_DONE, TRANSFER_UNDONE],
        sagas: vec![
            record(ORDER_DONE, "place-order", "completed", order("ada"), &ORDER_STEPS),
            record(ORDER_UNDONE, "place-order", "compensated", order("bob"), &ORDER_STEPS),
            record(TRANSFER_DONE, "transfer-money", "completed", transfer("grace"), &TRANSFER_STEPS),
            record(TRANSFER_UNDONE, "transfer-money", "compensated", transfer("frozen"), &TRANSFER_STEPS),
        ],
        orders: vec![
            Order { id: ORDER_DONE.to_string(), status: "confirmed".to_owned(), tracking: Some("T1".to_owned()) },
            Order { id: ORDER_UNDONE.to_string(), status: "rejected".to_owned(), tracking: None },
        ],
        stock: vec![Stock { sku: "lamp".to_owned(), quantity: 9 }],
        reservations: vec![
            Reservation {
                order: ORDER_DONE.to_string(),
                sku: "lamp".to_owned(),
                quantity: 1,
                status: "reserved".to_owned(),
            },
            Reservation {
                order: ORDER_UNDONE.to_string(),
                sku: "lamp".to_owned(),
                quantity: 1,
                status: "released".to_owned(),
            },
        ],
        shipments: vec![Shipment {
            order: ORDER_DONE.to_string(),
            tracking: "T1".to_owned(),
            status: "booked".to_owned(),
        }],
        money: [
            (
                "payments".to_owned(),
                Money {
                    accounts: vec![account("ada", 400), account("bob", 0)],
                    entries: vec![entry("charge", ORDER_DONE, "ada", 100, "applied")],
                },
            ),
            (
                "bank-a".to_owned(),
                Money {
                    accounts: vec![account("ada", 470)],
                    entries: vec![
                        entry("withdrawal", TRANSFER_DONE, "ada", 30, "applied"),
                        entry("withdrawal", TRANSFER_UNDONE, "ada", 30, "reversed"),
                    ],
                },
            ),
            (
                "bank-b".to_owned(),
                Money {
                    accounts: vec![account("grace", 30)],
                    entries: vec![entry("deposit", TRANSFER_DONE, "grace", 30, "applied")],
                },
            ),
        ]
        .into(),
        ledgers: [
            (
                "orders".to_owned(),
                ledger(&[
                    (ORDER_DONE, "open", "applied"),
                    (ORDER_DONE, "confirm", "applied"),
                    (ORDER_UNDONE, "open", "applied"),
                    (ORDER_UNDONE, "open", "undone"),
                ]),
            ),
            (
                "inventory".to_owned(),
                ledger(&[
                    (ORDER_DONE, "reserve", "applied"),
                    (ORDER_UNDONE, "reserve", "applied"),
                    (ORDER_UNDONE, "reserve", "undone"),
                ]),
            ),
            ("payments".to_owned(), ledger(&[(ORDER_DONE, "charge", "applied"), (ORDER_UNDONE, "charge", "null")])),
            ("shipping".to_owned(), ledger(&[(ORDER_DONE, "ship", "applied")])),
            (
                "bank-a".to_owned(),
                ledger(&[
                    (TRANSFER_DONE, "withdraw", "applied"),
                    (TRANSFER_UNDONE, "withdraw", "applied"),
                    (TRANSFER_UNDONE, "withdraw", "undone"),
                ]),
            ),
            ("bank-b".to_owned(), ledger(&[(TRANSFER_DONE, "deposit", "applied")])),
        ]
        .into(),
    }
}

fn failed(books: &Books) -> Vec<Check> {
    audit(books).into_iter().filter(|check| !check.failures.is_empty()).collect()
}

/// The forgery is found by the check whose name contains `check`, which names `who`.
#[track_caller]
fn found_out(check: &str, who: &str, forge: impl FnOnce(&mut Books)) {
    let mut forged = books();
    forge(&mut forged);
    let failed = failed(&forged);
    let found = failed.iter().find(|failed| failed.name.contains(check));
    let found = found.unwrap_or_else(|| panic!("nobody noticed ({check}): {failed:?}"));
    assert!(found.failures.iter().any(|failure| failure.contains(who)), "{who} is not named: {found:?}");
}

#[test]
fn right_books_pass() {
    assert_eq!(failed(&books()), []);
    assert_eq!(audit(&books()).len(), 9);
}

#[test]
fn empty_books_do_not_pass() {
    assert!(!failed(&Books::default()).is_empty());
}

#[test]
fn a_lost_or_unfinished_or_doubled_saga_is_found() {
    found_out("acknowledged", &ORDER_DONE.to_string(), |books| books.sagas.push(books.sagas[0].clone()));
    found_out("acknowledged", &ORDER_DONE.to_string(), |books| drop(books.sagas.remove(0)));
    found_out("acknowledged", &TRANSFER_DONE.to_string(), |books| {
        books.sagas[2].view.status = amends_protocol::v1::SagaStatus::Running;
    });
}

#[test]
fn a_journal_with_a_gap_or_two_ends_is_found() {
    found_out("journal", &ORDER_DONE.to_string(), |books| drop(books.sagas[0].journal.remove(1)));
    found_out("journal", &ORDER_UNDONE.to_string(), |books| books.sagas[1].journal.push(event(4, "saga_compensated")));
    found_out("journal", &TRANSFER_DONE.to_string(), |books| drop(books.sagas[2].journal.pop()));
}

#[test]
fn an_effect_twice_or_not_undone_is_found() {
    let ledger_of =
        |books: &mut Books, service: &str| books.ledgers.get_mut(service).map(std::mem::take).unwrap_or_default();
    found_out("ledger", &ORDER_DONE.to_string(), |books| {
        let mut twice = ledger_of(books, "payments");
        twice.push(twice[0].clone());
        books.ledgers.insert("payments".to_owned(), twice);
    });
    found_out("ledger", &TRANSFER_UNDONE.to_string(), |books| {
        let mut not_undone = ledger_of(books, "bank-a");
        not_undone.pop();
        books.ledgers.insert("bank-a".to_owned(), not_undone);
    });
    found_out("ledger", &ORDER_DONE.to_string(), |books| drop(ledger_of(books, "shipping")));
    found_out("ledger", "unknown", |books| {
        books.ledgers.insert(
            "shipping".to_owned(),
            ledger(&[(ORDER_DONE, "ship", "applied"), (Uuid::max(), "ship", "applied")]),
        );
    });
}

#[test]
fn an_order_that_is_not_what_its_saga_is_is_found() {
    found_out("confirmed orders", &ORDER_DONE.to_string(), |books| books.orders[0].status = "pending".to_owned());
    found_out("confirmed orders", &ORDER_UNDONE.to_string(), |books| books.orders[1].status = "confirmed".to_owned());
    found_out("confirmed orders", "no saga", |books| books.orders[1].id = Uuid::max().to_string());
}

#[test]
fn a_parcel_too_many_too_few_or_under_another_number_is_found() {
    found_out("parcel", &ORDER_DONE.to_string(), |books| books.shipments.clear());
    found_out("parcel", &ORDER_DONE.to_string(), |books| books.shipments.push(books.shipments[0].clone()));
    found_out("parcel", &ORDER_UNDONE.to_string(), |books| books.shipments[0].order = ORDER_UNDONE.to_string());
    found_out("parcel", "T9", |books| books.shipments[0].tracking = "T9".to_owned());
}

#[test]
fn money_that_moved_otherwise_than_asked_is_found() {
    found_out("as asked", &ORDER_DONE.to_string(), |books| money(books, "payments").entries[0].amount = 101);
    found_out("as asked", &ORDER_DONE.to_string(), |books| {
        money(books, "payments").entries[0].account = "bob".to_owned()
    });
    found_out("as asked", &TRANSFER_UNDONE.to_string(), |books| {
        money(books, "bank-a").entries[1].status = "applied".to_owned();
    });
    found_out("as asked", &TRANSFER_DONE.to_string(), |books| money(books, "bank-b").entries.clear());
    found_out("as asked", &Uuid::max().to_string(), |books| {
        money(books, "payments").entries.push(entry("charge", Uuid::max(), "ada", 1, "applied"));
    });
}

#[test]
fn stock_that_does_not_add_up_is_found() {
    found_out("stock", "lamp", |books| books.stock[0].quantity = 10);
    found_out("stock", "lamp", |books| books.reservations[0].quantity = 2);
    found_out("stock", &ORDER_UNDONE.to_string(), |books| books.reservations[1].status = "reserved".to_owned());
}

#[test]
fn a_balance_that_does_not_add_up_is_found() {
    found_out("account", "payments/ada", |books| money(books, "payments").accounts[0].balance = 399);
    found_out("account", "bank-b/grace", |books| money(books, "bank-b").accounts.clear());
    found_out("between the banks", "500", |books| money(books, "bank-b").accounts[0].balance = 31);
}

fn money<'a>(books: &'a mut Books, service: &str) -> &'a mut Money {
    books.money.get_mut(service).expect("a bank")
}
