use super::*;
async fn empty() -> (Arc<dyn Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Arc::new(SqliteStore::open(folder.path().join("amends.db")).await.unwrap()), folder)
}

crate::conformance_tests!(empty);
