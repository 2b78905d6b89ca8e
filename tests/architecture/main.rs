//! The house of DESIGN §1, proven: who imports whom, what core must not reach, one TLS provider, three doors.
//!
//! Why it exists: a rule that only stands in a document is broken by the second helpful import. Each check is a plain
//! function over data, so that its negative control can feed it a house that breaks the rule.

mod closures;
mod doors;
mod features;
mod imports;

use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand};

/// The resolved workspace, on every platform at once: a rule must not hold on one system only.
fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(vec!["--locked".to_owned()])
        .exec()
        .expect("cargo metadata --locked; is Cargo.lock up to date?")
}

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

/// Fails with one line for each thing found.
fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "{} broken rule(s):\n{}", found.len(), found.join("\n"));
}
