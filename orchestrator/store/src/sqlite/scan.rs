//! Every saga once, readable or not: for those who check or carry away the whole store.
//!
//! **What it must never know:** what is wrong with a row that cannot be read.

use amends_core::ids::SagaId;
use sqlx::SqlitePool;

use super::{
    read::select_heads,
    rows::{self, touched},
};
use crate::{Head, StoreError};

pub(super) const SCAN: &str = select_heads!(
    "scan",
    "where id > ?
        order by id
        limit ?"
);

pub(super) async fn scan(
    readers: &SqlitePool,
    after: Option<SagaId>,
    limit: u32,
) -> Result<Vec<(SagaId, Result<Head, StoreError>)>, StoreError> {
    // No id is below the empty one.
    let after = after.map_or_else(Vec::new, |saga| saga.0.as_bytes().to_vec());
    let rows = sqlx::query(SCAN).bind(after).bind(i64::from(limit)).fetch_all(readers).await?;
    rows.iter().map(|row| Ok((touched(row)?, rows::head(row)))).collect()
}
