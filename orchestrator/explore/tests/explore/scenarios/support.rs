//! Carrying a scenario out in one line.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use amends_core::{
    definition::{Definition, Known},
    scenario::{Scenarios, differences, parse_family},
};
use amends_explore::{
    Contract, Setup,
    scenarios::{Family, Played, play},
};

pub(super) fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sagas")
}

pub(super) fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// A saga with all that it runs, by their texts.
pub(super) fn family(root: &str, others: &[&str]) -> Family {
    let parse =
        |text: &str| Arc::new(Definition::parse(text, None).unwrap_or_else(|found| panic!("{text}\n{found:#?}")));
    let known = others.iter().map(|text| parse(text)).map(|child| (child.name.clone(), child)).collect();
    Family { root: parse(root), known }
}

/// One of `sagas/` with its children.
pub(super) fn family_of(name: &str) -> Family {
    let mut known = Known::new();
    let root = Arc::new(Definition::parse(&read(&format!("{name}.yaml")), None).expect("a definition"));
    let mut left = vec![root.clone()];
    while let Some(next) = left.pop() {
        for (_, child) in next.children() {
            let read = Arc::new(Definition::parse(&read(&format!("{}.yaml", child.name)), None).expect("its child"));
            left.push(read.clone());
            known.insert(child.name.clone(), read);
        }
    }
    Family { root, known }
}

pub(super) fn scenarios(family: &Family, text: &str) -> Scenarios {
    parse_family(text, &family.root, &family.known).unwrap_or_else(|found| panic!("{text}\n{found:#?}"))
}

pub(super) fn setup(contract: Contract) -> Setup {
    let mut setup = Setup { services: BTreeMap::new(), ..Setup::default() };
    setup.otherwise.contract = contract;
    setup
}

/// The first scenario of a text.
pub(super) fn played(family: &Family, text: &str, contract: Contract) -> Played {
    let file = scenarios(family, text);
    play(family, &file, &file.scenarios[0], &setup(contract)).unwrap_or_else(|why| panic!("{text}\n{why}"))
}

/// What of it is not as expected.
pub(super) fn wrong(family: &Family, text: &str, contract: Contract) -> Vec<String> {
    let file = scenarios(family, text);
    let played = played(family, text, contract);
    differences(&file.scenarios[0], &played.ran).iter().map(ToString::to_string).collect()
}
