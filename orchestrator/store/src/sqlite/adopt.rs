//! Taking over sagas whose owner is gone.

use amends_core::ids::SagaId;
use rusqlite::{Connection, params};
use sqlx::{Row, SqlitePool};
use uuid::Uuid;

use super::{
    legible::legible,
    read::head_columns,
    rows::{self, signed},
    writer::{Work, Writer},
};
use crate::{Claim, Head, StoreError};

/// From node to node that has ended, and of each its live sagas: what lives in others' hands is not looked at. Where to go
/// on within the node that `after` names is a bound of the index and not a filter, for one node may leave very many.
pub(super) const ORPHANS: &str = concat!(
    "-- orphans
    select ",
    head_columns!(),
    "
    from nodes cross join sagas indexed by sagas_live
    where nodes.lease_until is not null
        and nodes.id >= ?1
        and sagas.ended_at is null
        and sagas.owner = nodes.id
        and sagas.id > iif(nodes.id = ?1, ?2, x'')
    order by nodes.id, sagas.id
    limit ?3"
);

pub(super) async fn orphans(
    readers: &SqlitePool,
    after: Option<(Uuid, SagaId)>,
    limit: u32,
) -> Result<Vec<Head>, StoreError> {
    // No id is below the empty one.
    let from =
        after.map_or_else(Default::default, |(owner, saga)| (owner.as_bytes().to_vec(), saga.0.as_bytes().to_vec()));
    legible(
        limit,
        from,
        |(owner, saga): (Vec<u8>, Vec<u8>), limit| {
            sqlx::query(ORPHANS).bind(owner).bind(saga).bind(i64::from(limit)).fetch_all(readers)
        },
        |row| Ok((row.try_get("owner")?, row.try_get("id")?)),
        rows::head,
    )
    .await
}

pub(super) const OWNED: &str = concat!(
    "-- owned
    select ",
    head_columns!(),
    "
    from sagas indexed by sagas_live
    where ended_at is null
        and owner = ?1
        and id > ?2
    order by id
    limit ?3"
);

pub(super) async fn owned(
    readers: &SqlitePool,
    owner: Uuid,
    after: Option<SagaId>,
    limit: u32,
) -> Result<Vec<Head>, StoreError> {
    // No id is below the empty one.
    let from = after.map_or_else(Vec::new, |saga| saga.0.as_bytes().to_vec());
    legible(
        limit,
        from,
        |saga: Vec<u8>, limit| sqlx::query(OWNED).bind(owner).bind(saga).bind(i64::from(limit)).fetch_all(readers),
        |row| row.try_get("id"),
        rows::head,
    )
    .await
}

pub(super) async fn adopt(writer: &Writer, claims: Vec<Claim>, owner: Uuid) -> Result<Vec<bool>, StoreError> {
    let adopted = writer
        .transaction(move |connection| {
            let adopted = adopt_sagas(connection, &claims, owner)?;
            Ok(if adopted.contains(&true) { Work::Wrote(adopted) } else { Work::Untouched(adopted) })
        })
        .await?;
    Ok(adopted)
}

pub(super) const ADOPT_SAGA: &str = "-- adopt_saga
    update sagas
    -- From here on the old owner's appends do not match.
    set owner = ?, epoch = epoch + 1, asleep_until = null
    where id = ?
        and owner is ?
        and epoch = ?
        -- A stub is nobody's for good.
        and purged_at is null";

/// Which were adopted, in the order of the claims.
fn adopt_sagas(connection: &Connection, claims: &[Claim], owner: Uuid) -> rusqlite::Result<Vec<bool>> {
    let mut adopt = connection.prepare_cached(ADOPT_SAGA)?;
    let mut adopted = vec![false; claims.len()];
    // Sorted, so that rows are touched in the order of their pages; of two claims to one saga the first is tried first.
    let mut order: Vec<usize> = (0..claims.len()).collect();
    order.sort_by_key(|index| claims[*index].saga);
    for index in order {
        let claim = &claims[index];
        let before = claim.owner.as_ref().map(Uuid::as_bytes);
        let touched = adopt.execute(params![owner.as_bytes(), claim.saga.0.as_bytes(), before, signed(claim.epoch)])?;
        assert!(touched <= 1, "invariant: a saga is one row");
        adopted[index] = touched == 1;
    }
    Ok(adopted)
}
