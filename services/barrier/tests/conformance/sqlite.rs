//! The subject on SQLite.

use std::path::Path;

use amends_barrier::{Barrier, fault::Rule, sqlite};

use crate::{pot, side, subject::Subject};

pub(crate) async fn subject(off: Option<Rule>) -> Subject {
    let dir = tempfile::tempdir().unwrap();
    let subject = side::subject(off, || open(dir.path())).await;
    Subject { dir: Some(dir), ..subject }
}

pub(crate) async fn open(dir: &Path) -> Barrier {
    sqlite::open(&dir.join("pot.db"), &pot::migrator()).await.unwrap()
}
