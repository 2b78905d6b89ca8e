//! Taking over sagas whose owner is gone.

use std::{
    collections::HashSet,
    sync::{Arc, LazyLock},
};

use amends_core::ids::SagaId;
use sqlx::{SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::{
    multirow::MultiRow,
    read::select_heads,
    rows::{self, signed, touched},
    writer::{Work, Writer},
};
use crate::{Claim, Head, StoreError, append::rounds};

/// An orphan whose row cannot be read is left out with a word in the log: it must not keep the others waiting.
pub(super) async fn orphans(
    readers: &SqlitePool,
    owner: Uuid,
    after: Option<SagaId>,
    limit: u32,
) -> Result<Vec<Head>, StoreError> {
    // No id is below the empty one.
    let after = after.map_or_else(Vec::new, |saga| saga.0.as_bytes().to_vec());
    sqlx::query(select_heads!(
        "orphans",
        "indexed by sagas_live
        where ended_at is null
            -- Nobody's are not mine either.
            and owner is not ?
            and id > ?
        order by id
        limit ?"
    ))
    .bind(owner)
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(readers)
    .await
    .map_err(StoreError::from)
    .map(|found| found.iter().filter_map(|row| rows::head(row).map_err(unreadable).ok()).collect())
}

fn unreadable(error: StoreError) {
    tracing::error!(%error, "an orphan cannot be read and is not adopted");
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
        set owner = ?, epoch = sagas.epoch + 1
        from claim
        where sagas.id = claim.id
            and sagas.owner is claim.owner
            and sagas.epoch = claim.epoch
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
