//! Exploring in one line.

use std::collections::BTreeSet;

use amends_core::definition::Definition;
use amends_explore::{Contract, Report, Setup, explore, inputs};

pub(crate) fn parse(yaml: &str) -> Definition {
    Definition::parse(yaml, None).unwrap_or_else(|wrong| panic!("{yaml}\n{wrong:?}"))
}

pub(crate) fn setup(definition: &Definition, contract: Contract, faults: u8) -> Setup {
    let mut setup = Setup { inputs: inputs(definition).expect("an input"), faults, ..Setup::default() };
    setup.otherwise.contract = contract;
    setup
}

pub(crate) fn explored(yaml: &str, contract: Contract, faults: u8) -> Report {
    let definition = parse(yaml);
    explore(&definition, &setup(&definition, contract, faults), &mut |_| true).expect("it can be explored")
}

/// Codes with the steps that they are about.
pub(crate) fn found(report: &Report) -> BTreeSet<String> {
    let one = |found: &amends_explore::Finding| match found.place() {
        Some(place) => format!("{} {place}", found.code.as_str()),
        None => found.code.as_str().to_owned(),
    };
    report.findings.iter().map(one).collect()
}

pub(crate) fn codes(report: &Report) -> BTreeSet<&'static str> {
    report.findings.iter().map(|found| found.code.as_str()).collect()
}

/// As the first line of an example says.
pub(crate) fn contract_of(yaml: &str) -> Contract {
    match yaml.lines().next().and_then(|line| line.strip_prefix("# services: ")) {
        Some("plain") => Contract::Plain,
        Some("barrier") => Contract::Barrier,
        Some("unkeyed") => Contract::Unkeyed,
        other => panic!("what services are like is said first, and not {other:?}"),
    }
}
