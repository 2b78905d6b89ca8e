//! Every saga once, readable or not: for those who check or carry away the whole store.
//!
//! **What it must never know:** what is wrong with a row that cannot be read.

use amends_core::ids::SagaId;

use super::{
    read::select_heads,
    readers::Readers,
    rows::{self, touched},
};
use crate::{Head, StoreError};

pub(super) const SCAN: &str = select_heads!(
    "scan",
    "where $1::uuid is null or id > $1
        order by id
        limit $2"
);

pub(super) async fn scan(
    readers: &Readers,
    after: Option<SagaId>,
    limit: u32,
) -> Result<Vec<(SagaId, Result<Head, StoreError>)>, StoreError> {
    let after = after.map(|saga| saga.0);
    let found = readers.rows(|| sqlx::query(SCAN).bind(after).bind(i64::from(limit))).await?;
    found.iter().map(|row| Ok((touched(row)?, rows::head(row)))).collect()
}
