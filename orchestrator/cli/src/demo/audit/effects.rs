//! What the services did, saga by saga: once or not at all.

use std::collections::{BTreeMap, BTreeSet};

use amends_protocol::v1::{SagaStatus, SagaView};
use uuid::Uuid;

use super::{Check, ORDER, TRANSFER, completed, input, of};
use crate::demo::books::{Books, Entry, Order, Shipment};

/// Completed: every step that changes something was applied once and never undone. Compensated: what was applied was
/// undone, at most once. And no ledger knows a saga that the orchestrator does not.
pub(super) fn ledgers_agree_with_sagas(books: &Books) -> Check {
    let mut effects: BTreeMap<(Uuid, &str, &str), (u32, u32)> = BTreeMap::new();
    let mut failures = vec![];
    let mut entries = 0;
    for (service, ledger) in &books.ledgers {
        for entry in ledger {
            entries += 1;
            let (applied, undone) = effects.entry((entry.saga, service.as_str(), entry.step.as_str())).or_default();
            match entry.effect.as_str() {
                "applied" => *applied += 1,
                "undone" => *undone += 1,
                "null" => {}
                other => failures.push(format!("{service}: an effect {other:?} for saga {}", entry.saga)),
            }
        }
    }
    let known: BTreeSet<Uuid> = books.sagas.iter().map(|record| record.view.id).collect();
    failures.extend(
        effects
            .keys()
            .filter(|(saga, _, _)| !known.contains(saga))
            .map(|(saga, service, step)| format!("{service} did {step} for saga {saga}, which is unknown")),
    );
    for saga in books.sagas.iter().map(|record| &record.view) {
        failures.extend(saga.steps.iter().filter_map(|step| {
            let call = step.action.as_ref()?;
            let found = effects.get(&(saga.id, call.service.as_str(), step.name.as_str())).copied().unwrap_or_default();
            let fits = match saga.status {
                // A read leaves no trace in a ledger.
                SagaStatus::Completed if call.method == "GET" => found == (0, 0),
                SagaStatus::Completed => found == (1, 0),
                SagaStatus::Compensated => matches!(found, (0, 0) | (1, 1)),
                // Not ended, or by an operator: the first check says so.
                _ => true,
            };
            let (applied, undone) = found;
            (!fits).then(|| {
                format!("saga {} is {}: {} applied {applied} times, undone {undone}", saga.id, saga.status, step.name)
            })
        }));
    }
    Check {
        name: "each step's ledger agrees with its saga's end",
        counted: format!("{entries} entries in {} ledgers", books.ledgers.len()),
        failures,
    }
}

/// A confirmed order is a completed saga and the other way round; nothing is pending.
pub(super) fn orders_agree_with_sagas(books: &Books) -> Check {
    let mut failures = vec![];
    let by_id: BTreeMap<&str, &Order> = books.orders.iter().map(|order| (order.id.as_str(), order)).collect();
    let mut known = BTreeSet::new();
    for saga in of(books, ORDER) {
        let id = saga.id.to_string();
        let status = by_id.get(id.as_str()).map(|order| order.status.as_str());
        let fits = match saga.status {
            SagaStatus::Completed => status == Some("confirmed"),
            SagaStatus::Compensated => matches!(status, None | Some("rejected")),
            _ => true,
        };
        if !fits {
            failures.push(format!("saga {id} is {}, its order is {}", saga.status, status.unwrap_or("not there")));
        }
        known.insert(id);
    }
    failures.extend(
        books
            .orders
            .iter()
            .filter(|order| !known.contains(&order.id))
            .map(|order| format!("order {} has no saga", order.id)),
    );
    let confirmed = books.orders.iter().filter(|order| order.status == "confirmed").count();
    let done = of(books, ORDER).filter(|saga| completed(saga)).count();
    Check {
        name: "confirmed orders are completed sagas",
        counted: format!("{confirmed} confirmed, {done} completed"),
        failures,
    }
}

/// One parcel for each completed order, with the tracking number that the order has; none for anybody else.
pub(super) fn parcels_agree_with_orders(books: &Books) -> Check {
    let mut failures = vec![];
    let mut parcels: BTreeMap<&str, Vec<&Shipment>> = BTreeMap::new();
    for shipment in books.shipments.iter().filter(|shipment| shipment.status == "booked") {
        parcels.entry(&shipment.order).or_default().push(shipment);
    }
    let orders: BTreeMap<&str, &Order> = books.orders.iter().map(|order| (order.id.as_str(), order)).collect();
    let mut due = 0;
    for saga in of(books, ORDER) {
        let id = saga.id.to_string();
        let found = parcels.remove(id.as_str()).unwrap_or_default();
        let tracking = orders.get(id.as_str()).and_then(|order| order.tracking.as_deref());
        due += usize::from(completed(saga));
        match (completed(saga), found.as_slice()) {
            (true, [parcel]) if tracking == Some(parcel.tracking.as_str()) => {}
            (true, [parcel]) => {
                let tracking = tracking.unwrap_or("none");
                failures.push(format!("order {id} has tracking {tracking}, its parcel {}", parcel.tracking));
            }
            (false, []) => {}
            (_, found) => failures.push(format!("saga {id} is {} and has {} parcels", saga.status, found.len())),
        }
    }
    failures.extend(parcels.keys().map(|order| format!("a parcel for {order}, which is no saga")));
    Check { name: "one parcel for each confirmed order, none for others", counted: format!("{due} parcels"), failures }
}

/// Per saga, what stands in the services' books is what was asked for, once, or nothing.
pub(super) fn money_moved_as_asked(books: &Books) -> Check {
    let mut failures = vec![];
    let mut moved = 0;
    let mut left = standing(books);
    let mut judge = |saga: &SagaView, service: &str, kind: &str, account: &str| {
        let found = left.remove(&(service.to_owned(), saga.id.to_string(), kind.to_owned())).unwrap_or_default();
        let amount = input(saga, "amount").as_i64();
        let account = input(saga, account).as_str();
        match (completed(saga), found.as_slice()) {
            (true, [entry]) if Some(entry.amount) == amount && Some(entry.account.as_str()) == account => {
                moved += entry.amount;
            }
            (false, []) => {}
            (_, found) => {
                let found: Vec<String> =
                    found.iter().map(|entry| format!("{} on {}", entry.amount, entry.account)).collect();
                let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
                failures.push(format!("saga {} is {}: {kind} at {service}: {found}", saga.id, saga.status));
            }
        }
    };
    for saga in of(books, ORDER) {
        judge(saga, "payments", "charge", "customer");
    }
    for saga in of(books, TRANSFER) {
        judge(saga, "bank-a", "withdrawal", "from");
        judge(saga, "bank-b", "deposit", "to");
    }
    failures.extend(
        left.keys().map(|(service, saga, kind)| format!("{service} has a {kind} for {saga}, and no saga asked for it")),
    );
    Check { name: "money moved once, as asked, for completed sagas only", counted: format!("{moved} cents"), failures }
}

/// Entries that were not reversed, by service, saga and kind.
fn standing(books: &Books) -> BTreeMap<(String, String, String), Vec<&Entry>> {
    let mut standing: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (service, money) in &books.money {
        for entry in money.entries.iter().filter(|entry| entry.status == "applied") {
            standing.entry((service.clone(), entry.reference.clone(), entry.kind.clone())).or_default().push(entry);
        }
    }
    standing
}
