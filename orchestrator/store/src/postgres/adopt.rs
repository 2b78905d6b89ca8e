//! Taking over sagas whose owner is gone.

use std::{collections::HashSet, sync::Arc};

use amends_core::ids::SagaId;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{
    batches,
    legible::legible,
    read::head_columns,
    readers::Readers,
    rows::{self, signed},
    writer::{Writer, repeatable},
};
use crate::{Claim, Head, StoreError, batch::Above};

/// From node to node that has ended, and of each its live sagas: what lives in others' hands is not looked at.
pub(super) const ORPHANS: &str = concat!(
    "-- orphans
    select sagas.*
    from nodes
        cross join lateral (
            select ",
    head_columns!(),
    "
            from sagas
            where sagas.ended_at is null
                and sagas.owner = nodes.id
                -- Where to go on within the node that `after` names: a bound of the index and not a filter, for one node
                -- may leave very many.
                and sagas.id > case
                    when nodes.id = $1 then $2::uuid
                    else '00000000-0000-0000-0000-000000000000'::uuid
                end
            order by sagas.id
            limit $3
        ) as sagas
    where nodes.id >= $1
        -- The database's time, by which leases were given.
        and nodes.lease_until <= (extract(epoch from now()) * 1000000)::bigint
    order by nodes.id, sagas.id
    limit $3"
);

pub(super) async fn orphans(
    readers: &Readers,
    after: Option<(Uuid, SagaId)>,
    limit: u32,
) -> Result<Vec<Head>, StoreError> {
    // At the beginning nothing is skipped: a saga's id is never the empty one.
    let from = after.map_or((Uuid::nil(), Uuid::nil()), |(owner, saga)| (owner, saga.0));
    legible(
        limit,
        from,
        |(owner, saga): (Uuid, Uuid), limit| {
            readers.rows(move || sqlx::query(ORPHANS).bind(owner).bind(saga).bind(i64::from(limit)))
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
    from sagas
    where ended_at is null
        and owner = $1
        and id > $2
    order by id
    limit $3"
);

pub(super) async fn owned(
    readers: &Readers,
    owner: Uuid,
    after: Option<SagaId>,
    limit: u32,
) -> Result<Vec<Head>, StoreError> {
    // At the beginning nothing is skipped: a saga's id is never the empty one.
    let from = after.map_or_else(Uuid::nil, |saga| saga.0);
    legible(
        limit,
        from,
        |saga: Uuid, limit| readers.rows(move || sqlx::query(OWNED).bind(owner).bind(saga).bind(i64::from(limit))),
        |row| row.try_get("id"),
        rows::head,
    )
    .await
}

pub(super) async fn adopt(
    writer: &Arc<Writer>,
    above: &Above,
    claims: Vec<Claim>,
    owner: Uuid,
) -> Result<Vec<bool>, StoreError> {
    let mut seen = HashSet::new();
    // A saga that was claimed once is not as claimed any more, so of two claims of one the first counts. Those that differ
    // cannot both be right. And of the last number there is no next one.
    let mut counts =
        |claim: &Claim| signed(claim.epoch) < i64::MAX && seen.insert((claim.saga, claim.owner, claim.epoch));
    let mut adopted = vec![false; claims.len()];
    let mut asked: Vec<(usize, Claim)> = claims.into_iter().enumerate().filter(|(_, claim)| counts(claim)).collect();
    // Sorted, so that rows are locked in the same order by everybody.
    asked.sort_unstable_by_key(|(_, claim)| claim.saga);
    if asked.is_empty() {
        return Ok(adopted);
    }
    let asked: Arc<[(usize, Claim)]> = asked.into();
    let work = {
        let (asked, above) = (Arc::clone(&asked), above.clone());
        repeatable(move |connection, again| {
            let (asked, above) = (Arc::clone(&asked), above.clone());
            Box::pin(async move {
                let adopted = adopt_sagas(connection, &asked, owner, again).await?;
                // From here on nothing more is written under the epochs before: what was, is seen now, and what follows is above it.
                if !adopted.is_empty()
                    && let Some(latest) = batches::latest(connection).await?
                {
                    above.lift(latest);
                }
                Ok(adopted)
            })
        })
    };
    for place in writer.run(work).await.map_err(StoreError::of_postgres)? {
        adopted[asked[place].0] = true;
    }
    Ok(adopted)
}

pub(super) const ADOPT_SAGAS: &str = "-- adopt_sagas
    update sagas
    -- From here on the old owner's appends do not match.
    set owner = $4, epoch = claim.epoch + 1, asleep_until = null
    from unnest($1::uuid[], $2::uuid[], $3::bigint[]) with ordinality as claim (id, owner, epoch, place)
    -- Not `=`, see `statements`.
    where sagas.id = any (array[claim.id])
        -- A stub is nobody's for good. Put so that it is no condition of an index: a whole index looks cheap to read while
        -- it is small.
        and case when sagas.purged_at is null then true else false end
        and (
            sagas.owner is not distinct from claim.owner and sagas.epoch = claim.epoch
            -- The first time this was asked its answer was lost: it may be ours already.
            or $5 and sagas.owner = $4 and sagas.epoch = claim.epoch + 1
        )
    returning claim.place";

/// Places in `claims` of those that were as claimed.
pub(super) async fn adopt_sagas(
    connection: &mut PgConnection,
    claims: &[(usize, Claim)],
    owner: Uuid,
    again: bool,
) -> Result<Vec<usize>, sqlx::Error> {
    let adopted: Vec<i64> = sqlx::query_scalar(ADOPT_SAGAS)
        .bind(claims.iter().map(|(_, claim)| claim.saga.0).collect::<Vec<_>>())
        .bind(claims.iter().map(|(_, claim)| claim.owner).collect::<Vec<_>>())
        .bind(claims.iter().map(|(_, claim)| signed(claim.epoch)).collect::<Vec<_>>())
        .bind(owner)
        .bind(again)
        .fetch_all(connection)
        .await?;
    let places = adopted.into_iter().map(|place| usize::try_from(place - 1).ok().filter(|place| *place < claims.len()));
    Ok(places.map(|place| place.expect("invariant: places are those of the claims, from 1")).collect())
}
