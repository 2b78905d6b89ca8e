//! Database per service, checked: whether each service of the catalogue has a store of its own, and whether anybody else's
//! credential opens it.
//!
//! Why it exists: that stores are separate is what everything else rests on, and it is broken by one line of somebody's
//! configuration. Who calls it: `amends services check`.
//!
//! **What it must never know:** what is in a store. It opens one, reads the one word by which the store names itself, and
//! goes. It must never show a password, nor the address that has one.

mod card;
mod credentials;
mod reach;
mod report;

use amends_engine::{Catalogue, Contract};
use futures_util::future::join_all;

use self::{
    card::{Asked, Card},
    report::{Finding, Row, Severity},
};
pub(crate) use self::{credentials::Credentials, report::Report};

/// The version of the participant contract that this program speaks.
const CONTRACT: u32 = 1;

/// # Errors
/// No requests can be made from this machine.
pub(crate) async fn check(catalogue: &Catalogue, credentials: &Credentials) -> anyhow::Result<Report> {
    let http = card::client()?;
    let asked = join_all(catalogue.services.values().map(|service| card::ask(&http, &service.url))).await;
    let mut rows: Vec<Row> = catalogue
        .services
        .iter()
        .zip(asked)
        .map(|((name, service), asked)| row(name, service.url.as_str(), service.contract, asked))
        .collect();
    shared(&mut rows);
    for found in reach::tried(credentials, &rows).await {
        match rows.iter_mut().find(|row| row.service == found.0) {
            Some(row) => row.findings.push(found.1),
            // The orchestrator's store is no service's, and is guarded all the same.
            None => rows.push(Row { service: found.0, findings: vec![found.1], ..Row::default() }),
        }
    }
    Ok(Report::new(rows, credentials.pairs()))
}

fn row(name: &str, url: &str, contract: Contract, asked: Asked) -> Row {
    let mut row = Row { service: name.to_owned(), url: Some(url.to_owned()), ..Row::default() };
    match asked {
        Asked::Answered(card) => {
            if !card.barrier {
                row.findings.push(without_barrier(contract, "its card says that it has no barrier".to_owned()));
            }
            if card.contract != CONTRACT {
                let detail =
                    format!("it keeps version {} of the contract; this program speaks {CONTRACT}", card.contract);
                row.findings.push(Finding::new(Severity::Error, "other-contract", detail));
            }
            let Card { kind, barrier, fingerprint, .. } = card;
            (row.kind, row.barrier, row.fingerprint) = (Some(kind), Some(barrier), Some(fingerprint));
        }
        Asked::NoCard(what) => row.findings.push(without_barrier(contract, what)),
        Asked::Unreachable(why) => row.findings.push(Finding::new(Severity::Error, "unreachable", why)),
    }
    row
}

/// A `plain` service need not have one; what that means is for whoever reads the warning.
fn without_barrier(contract: Contract, what: String) -> Finding {
    match contract {
        Contract::Barrier => Finding::new(Severity::Error, "no-barrier", what),
        Contract::Plain => {
            let detail = format!("{what}; it is used as `plain`, so repeated and late calls are its own affair");
            Finding::new(Severity::Warning, "no-barrier", detail)
        }
    }
}

/// One fingerprint, one store. Two names for one address are one service.
fn shared(rows: &mut [Row]) {
    let stores = rows.to_vec();
    for row in rows.iter_mut().filter(|row| row.fingerprint.is_some()) {
        let others: Vec<&str> = stores
            .iter()
            .filter(|other| other.url != row.url && other.fingerprint == row.fingerprint)
            .map(|other| other.service.as_str())
            .collect();
        if !others.is_empty() {
            let detail = format!("its store is also that of {}", others.join(" and "));
            row.findings.push(Finding::new(Severity::Error, "shared-store", detail));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(kind: &str, fingerprint: &str) -> Asked {
        let (kind, fingerprint) = (kind.to_owned(), fingerprint.to_owned());
        Asked::Answered(Card { kind, contract: CONTRACT, barrier: true, fingerprint })
    }

    fn codes(row: &Row) -> Vec<(Severity, &str)> {
        row.findings.iter().map(|finding| (finding.severity, finding.code)).collect()
    }

    #[test]
    fn two_services_on_one_store_are_both_told_so() {
        let mut rows: Vec<Row> =
            [("a", "1", "http://a"), ("b", "2", "http://b"), ("c", "1", "http://c"), ("d", "2", "http://b")]
                .into_iter()
                .map(|(name, fingerprint, url)| row(name, url, Contract::Barrier, answered("sqlite", fingerprint)))
                .collect();
        shared(&mut rows);
        let shares = (Severity::Error, "shared-store");
        assert_eq!(rows.iter().map(codes).collect::<Vec<_>>(), [vec![shares], vec![], vec![shares], vec![]]);
        assert_eq!(rows[0].findings[0].detail, "its store is also that of c");
    }

    #[test]
    fn who_has_no_barrier_is_wrong_only_if_one_is_relied_upon() {
        let none = || Asked::NoCard("it has no card (404)".to_owned());
        assert_eq!(codes(&row("a", "http://h", Contract::Barrier, none())), [(Severity::Error, "no-barrier")]);
        assert_eq!(codes(&row("a", "http://h", Contract::Plain, none())), [(Severity::Warning, "no-barrier")]);
    }

    #[test]
    fn another_version_of_the_contract_and_silence_are_errors() {
        let mut other = Card { kind: "x".into(), contract: 2, barrier: true, fingerprint: "1".into() };
        let found = codes(&row("a", "http://h", Contract::Barrier, Asked::Answered(other.clone()))).len();
        assert_eq!(found, 1);
        other.contract = CONTRACT;
        assert!(row("a", "http://h", Contract::Barrier, Asked::Answered(other)).findings.is_empty());
        let silent = row("a", "http://h", Contract::Plain, Asked::Unreachable("refused".into()));
        assert_eq!(codes(&silent), [(Severity::Error, "unreachable")]);
    }
}
