//! Who may import whom. The table is DESIGN §1 with its chains written out; an edge that is not in it is an error.

use cargo_metadata::{DependencyKind, Metadata};

use crate::{assert_none, metadata, root};

const SERVICES: [&str; 4] = ["amends-orders", "amends-inventory", "amends-payments", "amends-shipping"];

/// For each crate, all it may import, and the line of DESIGN §1 that says so.
const MAY_IMPORT: &[(&str, &[&str], &str)] = &[
    ("amends-core", &[], "core → nobody of ours"),
    ("amends-protocol", &[], "protocol → nobody of ours"),
    ("amends-store", &["amends-core"], "cli → api → engine → store → core"),
    ("amends-engine", &["amends-core", "amends-protocol", "amends-store"], "engine → store, core, protocol"),
    (
        "amends-events",
        &["amends-core", "amends-protocol", "amends-store"],
        "api → events → store → core: it reads and words, and drives nothing",
    ),
    ("amends-explore", &["amends-core"], "cli → explore → core"),
    (
        "amends-api",
        &["amends-core", "amends-protocol", "amends-store", "amends-engine", "amends-events"],
        "api → engine, events, store (read side), core, protocol",
    ),
    ("amends-client", &["amends-protocol"], "cli → client → protocol"),
    (
        "amends",
        &[
            "amends-api",
            "amends-client",
            "amends-core",
            "amends-engine",
            "amends-events",
            "amends-explore",
            "amends-inventory",
            "amends-orders",
            "amends-payments",
            "amends-protocol",
            "amends-servers",
            "amends-shipping",
            "amends-store",
        ],
        "cli → api → engine → store → core; cli → explore, client, protocol, store; cli/demo → services/*",
    ),
    ("amends-barrier", &["amends-protocol"], "services/* → barrier → protocol"),
    ("amends-orders", &["amends-barrier"], SERVICES_RULE),
    ("amends-inventory", &["amends-barrier"], SERVICES_RULE),
    ("amends-payments", &["amends-barrier"], SERVICES_RULE),
    ("amends-shipping", &["amends-barrier"], SERVICES_RULE),
    ("amends-anything", &["amends-barrier"], SERVICES_RULE),
    (
        "amends-tests",
        &["amends-client", "amends-protocol", "amends-servers"],
        "tests → client, protocol and running processes, never inside",
    ),
    ("amends-servers", &[], "private servers for tests, bench and demo know nobody of ours"),
    ("amends-bench", &["amends-servers"], "the bench measures running processes, never from inside"),
];

const SERVICES_RULE: &str = "no service knows any orchestrator crate but protocol, through barrier";

/// Edges that only tests of a crate have, beyond what the crate itself may import, each with its reason.
const MAY_IMPORT_IN_TESTS: &[(&str, &str, &str)] = &[
    ("amends-barrier", "amends-barrier", "its own tests switch its feature `testing` on"),
    ("amends-barrier", "amends-servers", "its sides are tested on private servers"),
    ("amends-store", "amends-servers", "its PostgreSQL side is tested on private servers"),
    ("amends-tests", "amends-core", "a scenario is read by the one parser that there is"),
    ("amends-orders", "amends-servers", ON_ITS_ENGINE),
    ("amends-payments", "amends-servers", ON_ITS_ENGINE),
    ("amends-inventory", "amends-servers", ON_ITS_ENGINE),
    ("amends-orders", "amends-protocol", AS_ORCHESTRATOR),
    ("amends-inventory", "amends-protocol", AS_ORCHESTRATOR),
    ("amends-payments", "amends-protocol", AS_ORCHESTRATOR),
    ("amends-shipping", "amends-protocol", AS_ORCHESTRATOR),
];

const ON_ITS_ENGINE: &str = "its rules are tested on private servers";
const AS_ORCHESTRATOR: &str = "its tests speak to it as an orchestrator does";

/// One crate of ours names another in its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edge {
    from: String,
    to: String,
    for_tests: bool,
}

fn edges(metadata: &Metadata) -> Vec<Edge> {
    let ours: Vec<_> = metadata.workspace_packages().into_iter().collect();
    let is_ours = |name: &str| ours.iter().any(|package| package.name.as_str() == name);
    ours.iter()
        .flat_map(|package| package.dependencies.iter().map(move |dependency| (package, dependency)))
        .filter(|(_, dependency)| dependency.path.is_some() && is_ours(&dependency.name))
        .map(|(package, dependency)| Edge {
            from: package.name.to_string(),
            to: dependency.name.clone(),
            for_tests: dependency.kind == DependencyKind::Development,
        })
        .collect()
}

fn forbidden(edges: &[Edge]) -> Vec<String> {
    edges.iter().filter_map(verdict).collect()
}

/// Why an edge is not allowed.
fn verdict(edge: &Edge) -> Option<String> {
    let Edge { from, to, for_tests } = edge;
    let Some((_, allowed, rule)) = MAY_IMPORT.iter().find(|(name, ..)| name == from) else {
        return Some(format!("{from} → {to}: {from} has no room in DESIGN §1; give it a line in MAY_IMPORT first"));
    };
    let in_tests = MAY_IMPORT_IN_TESTS.iter().any(|(f, t, _)| f == from && t == to);
    if allowed.contains(&to.as_str()) || (*for_tests && in_tests) {
        return None;
    }
    let kind = if *for_tests { " (in its tests)" } else { "" };
    Some(format!("{from} → {to}{kind} is forbidden; the rule: {rule}"))
}

#[test]
fn every_import_between_our_crates_is_in_the_table() {
    let edges = edges(&metadata());
    assert!(edges.len() > SERVICES.len(), "no edges found: the check looks at nothing");
    for edge in edges.iter().filter(|edge| edge.for_tests) {
        println!("in tests only: {} → {}", edge.from, edge.to);
    }
    assert_none(&forbidden(&edges));
}

#[test]
fn every_crate_of_the_workspace_has_a_line_in_the_table() {
    let metadata = metadata();
    let unknown: Vec<String> = metadata
        .workspace_packages()
        .iter()
        .filter(|package| !MAY_IMPORT.iter().any(|(name, ..)| *name == package.name.as_str()))
        .map(|package| format!("{} has no line in MAY_IMPORT", package.name))
        .collect();
    assert_none(&unknown);
}

#[test]
fn in_the_cli_only_the_demo_knows_the_services() {
    let src = root().join("orchestrator/cli/src");
    let named = |text: &str| {
        SERVICES.iter().chain(&["amends-servers"]).any(|service| text.contains(&service.replace('-', "_")))
    };
    let found: Vec<String> = crate::doors::sources(&src)
        .into_iter()
        .filter(|(path, text)| named(text) && !path.strip_prefix(&src).is_ok_and(is_demo))
        .map(|(path, _)| format!("{} names a service; only src/demo may", path.display()))
        .collect();
    assert_none(&found);
}

fn is_demo(path: &std::path::Path) -> bool {
    path.components().any(|part| part.as_os_str() == "demo" || part.as_os_str() == "demo.rs")
}

#[test]
fn a_forbidden_import_is_noticed_and_named() {
    let edge = |from: &str, to: &str, for_tests| Edge { from: from.into(), to: to.into(), for_tests };
    for bad in [
        edge("amends-core", "amends-store", false),
        edge("amends-payments", "amends-protocol", false),
        edge("amends-payments", "amends-orders", true),
        edge("amends-payments", "amends-orders", false),
        edge("amends-client", "amends-core", false),
        edge("amends-tests", "amends-engine", true),
        edge("amends-barrier", "amends-barrier", false),
        edge("amends-newcomer", "amends-core", false),
    ] {
        let found = forbidden(std::slice::from_ref(&bad));
        assert_eq!(found.len(), 1, "{bad:?}");
        assert!(found[0].contains(&bad.from) && found[0].contains(&bad.to), "{found:?} names the edge");
    }
    assert_none(&forbidden(&[edge("amends-barrier", "amends-barrier", true), edge("amends", "amends-orders", false)]));
}
