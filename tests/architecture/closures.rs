//! What may not be reached at all, however many crates lie between: IO below core, a second TLS provider anywhere.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, PackageId};

use crate::{assert_none, metadata};

/// Core reads no clock, throws no dice and does no IO (DESIGN §2, STYLE 2).
const CORE_MUST_NOT_REACH: [&str; 9] =
    ["tokio", "sqlx", "reqwest", "axum", "tracing", "rand", "hyper", "async-trait", "futures-util"];
/// One TLS provider: aws-lc-rs (CRATES.md).
const NOBODY_MAY_REACH: [&str; 5] = ["ring", "openssl", "openssl-sys", "native-tls", "rustls-graviola"];

/// Crates by name, with the names of those they depend on when built for use (not for tests, not for build scripts).
type Graph = BTreeMap<String, BTreeSet<String>>;

fn graph(metadata: &Metadata, kinds: &[DependencyKind]) -> Graph {
    let name = |id: &PackageId| metadata[id].name.to_string();
    let resolve = metadata.resolve.as_ref().expect("cargo metadata resolves unless told not to");
    let mut graph = Graph::new();
    for node in &resolve.nodes {
        let needs = graph.entry(name(&node.id)).or_default();
        let wanted = node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kinds.contains(&kind.kind)));
        needs.extend(wanted.map(|dep| name(&dep.pkg)));
    }
    graph
}

/// For each banned crate that is reached from `start`, the shortest way to it.
fn reached(graph: &Graph, start: &str, banned: &[&str]) -> Vec<String> {
    let mut ways = BTreeMap::from([(start, vec![start])]);
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(here) = queue.pop_front() {
        for next in graph.get(here).into_iter().flatten() {
            if !ways.contains_key(next.as_str()) {
                let way = ways[here].iter().copied().chain([next.as_str()]).collect();
                ways.insert(next, way);
                queue.push_back(next);
            }
        }
    }
    banned.iter().filter_map(|banned| ways.get(banned)).map(|way| way.join(" → ")).collect()
}

#[test]
fn core_reaches_no_io_no_clock_and_no_dice() {
    let graph = graph(&metadata(), &[DependencyKind::Normal]);
    assert!(graph["amends-core"].contains("serde"), "the graph is empty: the check looks at nothing");
    assert_none(&reached(&graph, "amends-core", &CORE_MUST_NOT_REACH));
}

#[test]
fn there_is_one_tls_provider() {
    let metadata = metadata();
    let graph = graph(&metadata, &[DependencyKind::Normal, DependencyKind::Build, DependencyKind::Development]);
    let ours = metadata.workspace_packages();
    let found: Vec<String> =
        ours.iter().flat_map(|package| reached(&graph, package.name.as_str(), &NOBODY_MAY_REACH)).collect();
    assert_none(&found);
    assert_eq!(reached(&graph, "amends", &["aws-lc-rs"]).len(), 1, "and that one is aws-lc-rs");
}

#[test]
fn a_banned_crate_is_noticed_through_others_and_its_way_named() {
    let graph = Graph::from([
        ("amends-core".to_owned(), BTreeSet::from(["jsonschema".to_owned(), "serde".to_owned()])),
        ("jsonschema".to_owned(), BTreeSet::from(["reqwest".to_owned(), "amends-core".to_owned()])),
    ]);
    assert_eq!(reached(&graph, "amends-core", &CORE_MUST_NOT_REACH), ["amends-core → jsonschema → reqwest"]);
}
