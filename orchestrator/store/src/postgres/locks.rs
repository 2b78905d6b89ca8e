//! The queues of locks.
//!
//! Why two sagas never both have a lock. Whoever takes a place writes the row of the lock first, and holds it until the commit: of
//! two who come at once the second waits there until the first is done, and only then is given a place, which is a higher one. So
//! when a place is given, every lower one of this lock is committed, and a statement that begins after that sees it: that is why
//! looking who is before is a statement of its own and no part of the first, which sees what was there when it began to wait. A
//! place with nobody who lives before it stays so: the ended never live again, and nobody is given a lower place. Of two sagas
//! that were both told to be first, one has the higher place and saw that the other had ended.
//!
//! Clocks play no part in that: `at` only makes a place look like a time.
//!
//! **What it must never know:** why somebody wants a lock.

use std::sync::Arc;

use amends_core::{
    ids::{LockName, SagaId},
    time::Time,
};
use sqlx::{Executor, PgConnection};

use super::{
    readers::Readers,
    rows,
    writer::{Writer, close_transaction, repeatable},
};
use crate::{HeldLock, Place, Queued, StoreError, append::beyond};

/// Where it is asked whether a saga lives, that is put so that it is no condition of an index, see `adopt`: each is looked up by
/// its key, and not among all that live. In any stricter isolation every statement would see what was there at the first one's beginning.
const EACH_SEES_THE_LATEST: &str = "begin isolation level read committed";

pub(super) async fn enqueue(writer: &Arc<Writer>, lock: LockName, saga: SagaId, at: Time) -> Result<Place, StoreError> {
    let work = repeatable(move |connection, _again| {
        let lock = lock.clone();
        Box::pin(async move {
            connection.execute(EACH_SEES_THE_LATEST).await?;
            let place = take_place(connection, &lock, saga, at).await;
            close_transaction(connection, place).await
        })
    });
    writer.run(work).await.map_err(StoreError::of_postgres)
}

async fn take_place(
    connection: &mut PgConnection,
    lock: &LockName,
    saga: SagaId,
    at: Time,
) -> Result<Place, sqlx::Error> {
    let next: i64 = sqlx::query_scalar(NEXT_PLACE).bind(lock.as_str()).bind(at.0).fetch_one(&mut *connection).await?;
    let insert = sqlx::query_scalar(INSERT_PLACE).bind(lock.as_str()).bind(saga.0).bind(next);
    let arrived_at: i64 = insert.fetch_one(&mut *connection).await?;
    let first = sqlx::query_scalar(IS_FIRST).bind(lock.as_str()).bind(arrived_at).fetch_one(connection).await?;
    Ok(Place { arrived_at: Time(arrived_at), first })
}

pub(super) const NEXT_PLACE: &str = "-- next_place
    insert into locks (lock, last_arrival)
    -- Behind whoever is there, even if the row of the lock was tidied away under a clock that went ahead.
    values ($1, greatest($2, (
        select arrived_at + 1
        from lock_queue
        -- Not `=`, and by both: so the queue's own index is the only one in this order, whatever the table holds.
        where lock >= $1
            and lock <= $1
        order by lock desc, arrived_at desc
        limit 1
    )))
    on conflict (lock) do update
    set last_arrival = greatest(locks.last_arrival + 1, excluded.last_arrival)
    returning last_arrival";

pub(super) const INSERT_PLACE: &str = "-- insert_place
    insert into lock_queue (lock, saga, arrived_at)
    values ($1, $2, $3)
    -- It has a place.
    on conflict (lock, saga) do update
    set arrived_at = lock_queue.arrived_at
    returning arrived_at";

pub(super) const IS_FIRST: &str = "-- is_first
    select not exists (
        select 1
        from (
            select saga
            from lock_queue
            -- As in next_place.
            where lock >= $1
                and lock <= $1
                and arrived_at < $2
            order by lock, arrived_at
        ) as other
            join sagas on sagas.id = any (array[other.saga])
        where case when sagas.ended_at is null then true else false end
    )";

pub(super) const LOCK_QUEUE: &str = "-- lock_queue
    select lock_queue.saga, lock_queue.arrived_at, sagas.name, sagas.status
    from lock_queue
        join sagas on sagas.id = any (array[lock_queue.saga])
    where lock_queue.lock = $1
        and lock_queue.arrived_at > $2
        and case when sagas.ended_at is null then true else false end
    order by lock_queue.arrived_at
    limit $3";

pub(super) async fn lock_queue(
    readers: &Readers,
    lock: &LockName,
    after: Option<Time>,
    limit: u32,
) -> Result<Vec<Queued>, StoreError> {
    let lock = lock.clone();
    let after = after.map_or(i64::MIN, |after| after.0);
    let asked = || sqlx::query(LOCK_QUEUE).bind(lock.0.to_string()).bind(after).bind(i64::from(limit));
    readers.rows(asked).await?.iter().map(rows::queued).collect()
}

/// By the locks in their order. One that nobody has any more is passed over; it goes by itself.
pub(super) const LOCKS: &str = "-- locks
    select locks.lock, lock_queue.saga, lock_queue.arrived_at, sagas.name, sagas.status,
        (
            select count(*)
            from lock_queue as behind
                join sagas as waiting on waiting.id = behind.saga
            where behind.lock = locks.lock
                and behind.arrived_at > lock_queue.arrived_at
                and waiting.ended_at is null
        ) as waiting
    from locks
        join lock_queue on lock_queue.lock = locks.lock
            -- No two places of a lock are the same.
            and lock_queue.arrived_at = (
                select min(place.arrived_at)
                from lock_queue as place
                    join sagas as living on living.id = place.saga
                where place.lock = locks.lock
                    and living.ended_at is null
            )
        join sagas on sagas.id = lock_queue.saga
    where locks.lock > $1
        and locks.lock >= $2
        and ($3::text is null or locks.lock < $3)
    order by locks.lock
    limit $4";

pub(super) async fn locks(
    readers: &Readers,
    prefix: &str,
    after: Option<&LockName>,
    limit: u32,
) -> Result<Vec<HeldLock>, StoreError> {
    let asked = || {
        let after = after.map_or("", LockName::as_str).to_owned();
        sqlx::query(LOCKS).bind(after).bind(prefix.to_owned()).bind(beyond(prefix)).bind(i64::from(limit))
    };
    readers.rows(asked).await?.iter().map(rows::held_lock).collect()
}

pub(super) async fn leave_queues(writer: &Arc<Writer>, saga: SagaId, locks: Vec<LockName>) -> Result<(), StoreError> {
    let locks: Arc<[String]> = locks.iter().map(|lock| lock.0.to_string()).collect();
    let work = repeatable(move |connection, _again| {
        let locks = Arc::clone(&locks);
        Box::pin(async move {
            sqlx::query(LEAVE_QUEUES).bind(&*locks).bind(saga.0).execute(connection).await?;
            Ok(())
        })
    });
    writer.run(work).await.map_err(StoreError::of_postgres)
}

pub(super) const LEAVE_QUEUES: &str = "-- leave_queues
    delete from lock_queue
    where lock = any ($1)
        and saga = $2
        and not exists (
            select 1
            from sagas
            where id = $2
                and case when ended_at is null then true else false end
        )";

/// Answers how many places and locks were deleted.
pub(super) async fn tidy_locks(connection: &mut PgConnection, before: Time, limit: u32) -> Result<u64, sqlx::Error> {
    let mut deleted = 0;
    for statement in [TIDY_PLACES, TIDY_LOCKS] {
        let tidied = sqlx::query(statement).bind(before.0).bind(i64::from(limit)).execute(&mut *connection).await?;
        deleted += tidied.rows_affected();
    }
    Ok(deleted)
}

pub(super) const TIDY_PLACES: &str = "-- tidy_places
    delete from lock_queue
    using (
        select place.lock, place.saga
        from lock_queue as place
        where place.arrived_at < $1
            and not exists (
                select 1
                from sagas
                where sagas.id = any (array[place.saga])
                    and case when sagas.ended_at is null then true else false end
            )
        order by place.arrived_at
        limit $2
    ) as old
    where lock_queue.lock = any (array[old.lock])
        and lock_queue.saga = any (array[old.saga])";

pub(super) const TIDY_LOCKS: &str = "-- tidy_locks
    delete from locks
    using (
        select locks.lock
        from locks
        where locks.last_arrival < $1
            and not exists (
                select 1
                from lock_queue
                where lock_queue.lock = locks.lock
            )
        order by locks.last_arrival
        limit $2
    ) as old
    where locks.lock = any (array[old.lock])
        -- Looked at again if somebody came by meanwhile: a place was given, and the row stays.
        and locks.last_arrival < $1";
