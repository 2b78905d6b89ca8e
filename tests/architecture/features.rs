//! What a build for tests has, no other build gets by accident: nobody switches crash points on but the one who asks for them.

use cargo_metadata::Metadata;

use crate::{assert_none, metadata};

const DEADLY: &str = "crash-points";

/// Every feature and every dependency that switches crash points on, apart from the feature of the same name.
fn switched_on(metadata: &Metadata) -> Vec<String> {
    let mut found = Vec::new();
    for package in metadata.workspace_packages() {
        for (feature, on) in &package.features {
            let deadly = on.iter().any(|on| on.rsplit('/').next() == Some(DEADLY));
            if deadly && feature != DEADLY {
                found.push(format!("{}: feature {feature} switches {DEADLY} on", package.name));
            }
        }
        for dependency in &package.dependencies {
            if dependency.features.iter().any(|on| on == DEADLY) {
                found.push(format!("{}: its dependency {} is built with {DEADLY}", package.name, dependency.name));
            }
        }
    }
    found
}

#[test]
fn crash_points_are_built_for_nobody_who_does_not_ask_for_them() {
    let metadata = metadata();
    let have = metadata.workspace_packages().iter().filter(|package| package.features.contains_key(DEADLY)).count();
    assert_eq!(have, 2, "engine and cli have the feature; otherwise this looks at nothing");
    assert_none(&switched_on(&metadata));
}

#[test]
fn crash_points_by_default_are_noticed() {
    let mut metadata = metadata();
    let members = metadata.workspace_members.clone();
    for package in metadata.packages.iter_mut().filter(|package| members.contains(&package.id)) {
        if package.features.contains_key(DEADLY) {
            package.features.insert("default".to_owned(), vec![DEADLY.to_owned()]);
        }
        for dependency in package.dependencies.iter_mut().filter(|dependency| dependency.name == "amends-engine") {
            dependency.features.push(DEADLY.to_owned());
        }
    }
    let found = switched_on(&metadata);
    assert!(found.iter().any(|one| one.contains("feature default")), "{found:?}");
    assert!(found.iter().any(|one| one.contains("its dependency amends-engine")), "{found:?}");
}

#[test]
fn what_a_newcomer_runs_is_the_one_that_does_not_die() {
    let metadata = metadata();
    let cli = metadata.workspace_packages().into_iter().find(|package| package.name.as_str() == "amends");
    assert_eq!(cli.expect("the product").default_run.as_deref(), Some("amends"), "`cargo run -- demo` needs one");
}
