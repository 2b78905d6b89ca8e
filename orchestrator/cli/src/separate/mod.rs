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
    let asking = catalogue.services.iter().map(async |(name, service)| {
        let asked = join_all(service.url.all().iter().map(|address| card::ask(&http, address))).await;
        row(name, service.url.all().iter().map(|url| url.to_string()).zip(asked).collect(), service.contract)
    });
    let mut rows: Vec<Row> = join_all(asking).await;
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

/// What the replicas of one service, each at its address, have answered.
fn row(name: &str, replicas: Vec<(String, Asked)>, contract: Contract) -> Row {
    let several = replicas.len() > 1;
    let mut row = Row { service: name.to_owned(), ..Row::default() };
    for (url, asked) in replicas {
        let mut say = |severity, code, detail: String| {
            let detail = if several { format!("{url}: {detail}") } else { detail };
            row.findings.push(Finding::new(severity, code, detail));
        };
        match asked {
            Asked::Answered(card) => {
                if !card.barrier {
                    let (severity, detail) = without_barrier(contract, "its card says that it has no barrier");
                    say(severity, "no-barrier", detail);
                }
                if card.contract != CONTRACT {
                    let detail =
                        format!("it keeps version {} of the contract; this program speaks {CONTRACT}", card.contract);
                    say(Severity::Error, "other-contract", detail);
                }
                if row.fingerprint.as_ref().is_some_and(|first| *first != card.fingerprint) {
                    let detail = "it has another store than the replica before it: each would do every call once more";
                    say(Severity::Error, "split-store", detail.to_owned());
                }
                let Card { kind, barrier, fingerprint, .. } = card;
                row.kind.get_or_insert(kind);
                row.barrier = Some(barrier && row.barrier.unwrap_or(true));
                row.fingerprint.get_or_insert(fingerprint);
            }
            Asked::NoCard(what) => {
                let (severity, detail) = without_barrier(contract, &what);
                say(severity, "no-barrier", detail);
            }
            Asked::Unreachable(why) => say(Severity::Error, "unreachable", why),
        }
        row.urls.push(url);
    }
    row
}

/// A `plain` service need not have one; what that means is for whoever reads the warning.
fn without_barrier(contract: Contract, what: &str) -> (Severity, String) {
    match contract {
        Contract::Barrier => (Severity::Error, what.to_owned()),
        Contract::Plain => {
            let rest = "it is used as `plain`, so repeated and late calls are its own affair";
            (Severity::Warning, format!("{what}; {rest}"))
        }
    }
}

/// One fingerprint, one store. Two names for one address are one service.
fn shared(rows: &mut [Row]) {
    let stores = rows.to_vec();
    for row in rows.iter_mut().filter(|row| row.fingerprint.is_some()) {
        let others: Vec<&str> = stores
            .iter()
            .filter(|other| {
                !other.urls.iter().any(|url| row.urls.contains(url)) && other.fingerprint == row.fingerprint
            })
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

    fn one(name: &str, url: &str, contract: Contract, asked: Asked) -> Row {
        row(name, vec![(url.to_owned(), asked)], contract)
    }

    fn codes(row: &Row) -> Vec<(Severity, &str)> {
        row.findings.iter().map(|finding| (finding.severity, finding.code)).collect()
    }

    #[test]
    fn two_services_on_one_store_are_both_told_so() {
        let services = [("a", "1", "http://a"), ("b", "2", "http://b"), ("c", "1", "http://c"), ("d", "2", "http://b")];
        let mut rows: Vec<Row> = services
            .into_iter()
            .map(|(name, fingerprint, url)| one(name, url, Contract::Barrier, answered("sqlite", fingerprint)))
            .collect();
        shared(&mut rows);
        let shares = (Severity::Error, "shared-store");
        assert_eq!(rows.iter().map(codes).collect::<Vec<_>>(), [vec![shares], vec![], vec![shares], vec![]]);
        assert_eq!(rows[0].findings[0].detail, "its store is also that of c");
    }

    #[test]
    fn replicas_are_on_one_store() {
        let replicas = |second| {
            let first = ("http://a".to_owned(), answered("postgres", "1"));
            row("a", vec![first, ("http://b".to_owned(), second)], Contract::Barrier)
        };
        assert!(replicas(answered("postgres", "1")).findings.is_empty());
        let split = replicas(answered("postgres", "2"));
        assert_eq!(codes(&split), [(Severity::Error, "split-store")]);
        assert!(split.findings[0].detail.starts_with("http://b: "), "{split:?}");
        assert_eq!(codes(&replicas(Asked::Unreachable("refused".into()))), [(Severity::Error, "unreachable")]);
    }

    #[test]
    fn who_has_no_barrier_is_wrong_only_if_one_is_relied_upon() {
        let none = || Asked::NoCard("it has no card (404)".to_owned());
        assert_eq!(codes(&one("a", "http://h", Contract::Barrier, none())), [(Severity::Error, "no-barrier")]);
        assert_eq!(codes(&one("a", "http://h", Contract::Plain, none())), [(Severity::Warning, "no-barrier")]);
    }

    #[test]
    fn another_version_of_the_contract_and_silence_are_errors() {
        let mut other = Card { kind: "x".into(), contract: 2, barrier: true, fingerprint: "1".into() };
        let found = codes(&one("a", "http://h", Contract::Barrier, Asked::Answered(other.clone()))).len();
        assert_eq!(found, 1);
        other.contract = CONTRACT;
        assert!(one("a", "http://h", Contract::Barrier, Asked::Answered(other)).findings.is_empty());
        let silent = one("a", "http://h", Contract::Plain, Asked::Unreachable("refused".into()));
        assert_eq!(codes(&silent), [(Severity::Error, "unreachable")]);
    }
}
