//! Taking over sagas whose owner is gone.

use std::{
    collections::HashSet,
    sync::{Arc, LazyLock},
};

use amends_core::ids::SagaId;
use sqlx::{Row, SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::{
    legible::legible,
    multirow::MultiRow,
    read::head_columns,
    rows::{self, signed, touched},
    writer::{Work, Writer},
};
use crate::{Claim, Head, StoreError, append::rounds};

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

pub(super) async fn adopt(writer: &Arc<Writer>, claims: Vec<Claim>, owner: Uuid) -> Result<Vec<bool>, StoreError> {
    let answers = writer
        .transaction(move |connection| {
            Box::pin(async move {
                let mut adopted = vec![false; claims.len()];
                for mut round in rounds(0..claims.len(), |index| claims[*index].saga) {
                    round.sort_unstable_by_key(|index| claims[*index].saga);
                    let asked: Vec<Claim> = round.iter().map(|index| claims[*index]).collect();
                    let touched = adopt_sagas(connection, &asked, owner).await?;
                    for index in round {
                        adopted[index] = touched.contains(&claims[index].saga);
                    }
                }
                Ok(if adopted.contains(&true) { Work::Wrote(adopted) } else { Work::Untouched(adopted) })
            })
        })
        .await?;
    Ok(answers)
}

pub(super) static ADOPT_SAGAS: LazyLock<MultiRow> = LazyLock::new(|| {
    MultiRow::new(
        "-- adopt_sagas
        with claim (id, owner, epoch) as (
            values",
        3,
        ")
        update sagas
        -- From here on the old owner's appends do not match.
        set owner = ?, epoch = sagas.epoch + 1, asleep_until = null
        from claim
        where sagas.id = claim.id
            and sagas.owner is claim.owner
            and sagas.epoch = claim.epoch
            -- A stub is nobody's for good.
            and sagas.purged_at is null
        returning sagas.id",
    )
});

async fn adopt_sagas(
    connection: &mut SqliteConnection,
    claims: &[Claim],
    owner: Uuid,
) -> Result<HashSet<SagaId>, sqlx::Error> {
    let mut adopted = HashSet::with_capacity(claims.len());
    for (statement, chunk) in ADOPT_SAGAS.chunks(claims) {
        let mut query = sqlx::query(statement);
        for claim in chunk {
            query = query.bind(claim.saga.0).bind(claim.owner).bind(signed(claim.epoch));
        }
        for row in query.bind(owner).fetch_all(&mut *connection).await? {
            adopted.insert(touched(&row)?);
        }
    }
    Ok(adopted)
}
