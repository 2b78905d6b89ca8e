//! The sagas of `sagas/`, explored: what is found is what is written here, and nothing else.

use std::{collections::BTreeSet, fs, path::Path};

use amends_explore::{Contract, Severity, explore};

use crate::support::{explored, found, parse, setup};

fn read(saga: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sagas").join(format!("{saga}.yaml"));
    fs::read_to_string(file).expect("a definition")
}

/// With services that keep the contract, and faults one by one: errors and warnings, nothing else counts.
const WITH_BARRIERS: [(&str, &[&str]); 12] = [
    ("approve-order", &["F0305 delivered"]),
    ("book-trip", &[]),
    ("open-kitchen-ticket", &[]),
    ("order-basket", &[]),
    ("pay-claim", &[]),
    ("pay-third-party", &[]),
    ("place-order", &[]),
    ("refund-recall", &[]),
    ("replace-item", &[]),
    ("ship-later", &[]),
    ("start-subscription", &[]),
    ("transfer-money", &[]),
];

#[test]
fn with_barriers_only_what_is_meant_is_found_in_the_sagas() {
    let mut files: BTreeSet<String> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sagas"))
        .expect("sagas")
        .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".yaml") && !name.ends_with(".test.yaml"))
        .collect();
    let mut wrong = Vec::new();
    for (saga, expected) in WITH_BARRIERS {
        assert!(files.remove(&format!("{saga}.yaml")));
        let report = explored(&read(saga), Contract::Barrier, 1);
        let counted = report.findings.iter().filter(|found| found.severity != Severity::Note);
        let told: Vec<String> = counted
            .map(|found| format!("{} {}", found.code.as_str(), found.step.as_deref().unwrap_or_default()))
            .collect();
        if told != expected {
            wrong.push(format!("{saga}: {told:?} instead of {expected:?}"));
        }
        assert!(report.totals.completed > 0 && !report.incomplete, "{saga}");
        assert_eq!(report.coverage.untouched(), Vec::<String>::new(), "{saga}: every step is befallen by something");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(files, BTreeSet::from(["settle-claim.yaml".to_owned()]), "each saga has its line, or is a family");
}

#[test]
fn a_saga_whose_children_are_not_at_hand_is_refused_by_name() {
    let definition = parse(&read("settle-claim"));
    let refused = explore(&definition, &setup(&definition, Contract::Barrier, 1), &mut |_| true).expect_err("children");
    let told = refused.to_string();
    assert!(told.contains("`settle-claim` runs `pay-claim` as a child") && told.contains("same folder"), "{told}");
}

#[test]
fn the_order_saga_stands_every_pair_of_faults_with_barriers() {
    let report = explored(&read("place-order"), Contract::Barrier, 2);
    let worst: Vec<&amends_explore::Finding> =
        report.findings.iter().filter(|found| found.severity != Severity::Note).collect();
    assert!(worst.is_empty(), "{worst:#?}");
    assert_eq!(report.complete_to, Some(2));
    assert!(report.totals.runs > 5_000 && report.totals.joined > 5_000, "{:?}", report.totals);
    assert!(report.totals.compensated > 1000 && report.totals.completed > 1000 && report.totals.attention > 10);
}

#[test]
fn with_plain_services_the_order_saga_leaves_what_plain_services_leave() {
    let report = explored(&read("place-order"), Contract::Plain, 2);
    let steps = ["open", "reserve", "charge"];
    let expected: BTreeSet<String> = steps
        .iter()
        .flat_map(|step| ["F0102", "F0104", "F0204", "F0306"].map(|code| format!("{code} {step}")))
        .chain(["F0104 ship", "F0104 confirm", "F0301 confirm", "F0303 ship", "F0307 ship"].map(str::to_owned))
        .collect();
    assert_eq!(found(&report), expected);
}
