//! Conservation: nothing appears, nothing vanishes, nothing is negative.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, ORDER, completed, of};
use crate::demo::books::Books;

/// What is on the shelf plus what is reserved is what was there.
pub(super) fn stock_adds_up(books: &Books) -> Check {
    let mut failures = vec![];
    let shelf: BTreeMap<&str, i64> = books.stock.iter().map(|stock| (stock.sku.as_str(), stock.quantity)).collect();
    let done: BTreeSet<String> =
        of(books, ORDER).filter(|saga| completed(saga)).map(|saga| saga.id.to_string()).collect();
    let mut reserved: BTreeMap<&str, i64> = BTreeMap::new();
    for reservation in books.reservations.iter().filter(|reservation| reservation.status == "reserved") {
        *reserved.entry(&reservation.sku).or_default() += reservation.quantity;
        if !done.contains(&reservation.order) {
            let order = &reservation.order;
            failures.push(format!(
                "{} {} are reserved for {order}, which is no completed saga",
                reservation.quantity, reservation.sku
            ));
        }
    }
    for (sku, seeded) in &books.seeded.stock {
        let on_shelf = shelf.get(sku.as_str()).copied().unwrap_or_default();
        let reserved = reserved.get(sku.as_str()).copied().unwrap_or_default();
        if on_shelf + reserved != *seeded || on_shelf < 0 {
            failures.push(format!("{sku}: {on_shelf} on the shelf and {reserved} reserved, {seeded} at the beginning"));
        }
    }
    let units: i64 = reserved.values().sum();
    Check { name: "stock adds up: shelf + reserved = seeded", counted: format!("{units} units reserved"), failures }
}

/// Each balance is what was there, less what was taken, plus what was given.
pub(super) fn every_account_adds_up(books: &Books) -> Check {
    let mut failures = vec![];
    let mut accounts = 0;
    for (service, seeded) in &books.seeded.accounts {
        let Some(money) = books.money.get(service) else {
            failures.push(format!("{service} has no books"));
            continue;
        };
        let balances: BTreeMap<&str, i64> =
            money.accounts.iter().map(|account| (account.id.as_str(), account.balance)).collect();
        for (account, seeded) in seeded {
            accounts += 1;
            let change: i64 = money
                .entries
                .iter()
                .filter(|entry| entry.status == "applied" && entry.account == *account)
                .map(|entry| if entry.kind == "deposit" { entry.amount } else { -entry.amount })
                .sum();
            match balances.get(account.as_str()) {
                Some(balance) if seeded + change == *balance && *balance >= 0 => {}
                Some(balance) => {
                    failures.push(format!("{service}/{account}: {balance}, and {seeded} {change:+} was due"))
                }
                None => failures.push(format!("{service}/{account} is gone")),
            }
        }
    }
    Check {
        name: "every account adds up: seeded ± entries = balance",
        counted: format!("{accounts} accounts"),
        failures,
    }
}

/// What leaves one bank arrives at the other.
pub(super) fn no_money_between_banks_is_lost(books: &Books) -> Check {
    const BANKS: [&str; 2] = ["bank-a", "bank-b"];
    let seeded: i64 = BANKS.iter().filter_map(|bank| books.seeded.accounts.get(*bank)).flat_map(BTreeMap::values).sum();
    let now: i64 = BANKS
        .iter()
        .filter_map(|bank| books.money.get(*bank))
        .flat_map(|money| &money.accounts)
        .map(|account| account.balance)
        .sum();
    let failures =
        if now == seeded { vec![] } else { vec![format!("{now} cents in both banks, {seeded} at the beginning")] };
    Check { name: "no money is lost between the banks", counted: format!("{now} cents in both"), failures }
}
