//! What may not be reached at all, however many crates lie between: IO below core, a second TLS provider anywhere.
//!
//! Asks `cargo tree` and not `cargo metadata`: the latter follows optional dependencies that no feature switches on.

use std::{collections::BTreeSet, process::Command};

use crate::{assert_none, root};

/// Core reads no clock, throws no dice and does no IO (DESIGN §2, STYLE 2).
const CORE_MUST_NOT_REACH: [&str; 7] = ["tokio", "sqlx", "reqwest", "axum", "tracing", "rand", "hyper"];
/// One TLS provider: aws-lc-rs (CRATES.md).
const NOBODY_MAY_REACH: [&str; 5] = ["ring", "openssl", "openssl-sys", "native-tls", "rustls-openssl"];

/// The tree of dependencies on all platforms, a line each, with its depth in front.
fn tree(of: &[&str]) -> String {
    let out = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--locked", "--target", "all", "--prefix", "depth"])
        .args(of)
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "cargo tree: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("cargo writes UTF-8")
}

/// The first way to each banned crate in a tree.
fn reached(tree: &str, banned: &[&str]) -> Vec<String> {
    let mut way = Vec::<&str>::new();
    let mut found = BTreeSet::new();
    let mut ways = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let name_at = line.find(|c: char| !c.is_ascii_digit()).unwrap_or(line.len());
        let depth: usize = line[..name_at].parse().expect("each line begins with its depth");
        let name = line[name_at..].split_whitespace().next().unwrap_or_default();
        way.truncate(depth);
        way.push(name);
        if banned.contains(&name) && found.insert(name) {
            ways.push(way.join(" → "));
        }
    }
    ways
}

#[test]
fn core_reaches_no_io_no_clock_and_no_dice() {
    let tree = tree(&["--package", "amends-core", "--edges", "normal"]);
    assert_eq!(reached(&tree, &["serde"]).len(), 1, "the tree is empty: the check looks at nothing");
    assert_none(&reached(&tree, &CORE_MUST_NOT_REACH));
}

#[test]
fn there_is_one_tls_provider() {
    let tree = tree(&["--workspace", "--edges", "normal,build,dev"]);
    assert_none(&reached(&tree, &NOBODY_MAY_REACH));
    assert_eq!(reached(&tree, &["aws-lc-rs"]).len(), 1, "and that one is aws-lc-rs");
}

#[test]
fn a_banned_crate_is_noticed_through_others_and_its_way_named() {
    let tree = "0amends-core v0.1.0 (/x)\n1serde v1.0.0\n2proc-macro2 v1\n1jsonschema v0.61.0\n2reqwest v0.13.5\n3tokio v1\n\n";
    assert_eq!(
        reached(tree, &CORE_MUST_NOT_REACH),
        ["amends-core → jsonschema → reqwest", "amends-core → jsonschema → reqwest → tokio"]
    );
}
