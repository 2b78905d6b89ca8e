//! The queues of locks.
//!
//! There is one writer: places are given, and become visible, one after another. A place with nobody who lives before it stays
//! so: the ended never live again, and whoever comes later comes behind.
//!
//! **What it must never know:** why somebody wants a lock.

use amends_core::{
    ids::{LockName, SagaId},
    time::Time,
};
use rusqlite::{Connection, OptionalExtension, params};
use sqlx::SqlitePool;

use super::{
    rows,
    writer::{Work, Writer},
};
use crate::{HeldLock, Place, Queued, StoreError, append::beyond};

pub(super) async fn enqueue(writer: &Writer, lock: LockName, saga: SagaId, at: Time) -> Result<Place, StoreError> {
    let place = writer.transaction(move |connection| {
        let has = connection
            .prepare_cached(PLACE_IN_QUEUE)?
            .query_row(params![lock.as_str(), saga.0.as_bytes()], |row| row.get::<_, i64>(0))
            .optional()?;
        let arrived_at = match has {
            Some(arrived_at) => arrived_at,
            None => take_place(connection, &lock, saga, at)?,
        };
        let mut is_first = connection.prepare_cached(IS_FIRST)?;
        let first = is_first.query_row(params![lock.as_str(), arrived_at], |row| row.get(0))?;
        let place = Place { arrived_at: Time(arrived_at), first };
        Ok(if has.is_some() { Work::Untouched(place) } else { Work::Wrote(place) })
    });
    Ok(place.await?)
}

fn take_place(connection: &Connection, lock: &LockName, saga: SagaId, at: Time) -> rusqlite::Result<i64> {
    let mut next = connection.prepare_cached(NEXT_PLACE)?;
    let place = next.query_row(params![lock.as_str(), at.0], |row| row.get::<_, i64>(0))?;
    let mut insert = connection.prepare_cached(INSERT_PLACE)?;
    let touched = insert.execute(params![lock.as_str(), saga.0.as_bytes(), place])?;
    assert_eq!(touched, 1, "invariant: what is not there goes in");
    Ok(place)
}

pub(super) const PLACE_IN_QUEUE: &str = "-- place_in_queue
    select arrived_at
    from lock_queue
    where lock = ? and saga = ?";

pub(super) const NEXT_PLACE: &str = "-- next_place
    insert into locks (lock, last_arrival)
    -- Behind whoever is there, even if the row of the lock was tidied away under a clock that went ahead.
    values (?1, max(?2, coalesce((select max(arrived_at) + 1 from lock_queue where lock = ?1), ?2)))
    on conflict (lock) do update
    set last_arrival = max(locks.last_arrival + 1, excluded.last_arrival)
    returning last_arrival";

const INSERT_PLACE: &str = "-- insert_place
    insert into lock_queue (lock, saga, arrived_at)
    values (?, ?, ?)";

pub(super) const IS_FIRST: &str = "-- is_first
    select not exists (
        select 1
        from lock_queue indexed by lock_queue_order
            join sagas on sagas.id = lock_queue.saga
        where lock_queue.lock = ?
            and lock_queue.arrived_at < ?
            and sagas.ended_at is null
    )";

pub(super) const LOCK_QUEUE: &str = "-- lock_queue
    select lock_queue.saga, lock_queue.arrived_at, sagas.name, sagas.status
    from lock_queue indexed by lock_queue_order
        join sagas on sagas.id = lock_queue.saga
    where lock_queue.lock = ?
        and lock_queue.arrived_at > ?
        and sagas.ended_at is null
    order by lock_queue.arrived_at
    limit ?";

pub(super) async fn lock_queue(
    readers: &SqlitePool,
    lock: &LockName,
    after: Option<Time>,
    limit: u32,
) -> Result<Vec<Queued>, StoreError> {
    let asked = sqlx::query(LOCK_QUEUE).bind(lock.as_str()).bind(after.map_or(i64::MIN, |after| after.0));
    asked.bind(i64::from(limit)).fetch_all(readers).await?.iter().map(rows::queued).collect()
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
    where locks.lock > ?1
        and locks.lock >= ?2
        and (?3 is null or locks.lock < ?3)
    order by locks.lock
    limit ?4";

pub(super) async fn locks(
    readers: &SqlitePool,
    prefix: &str,
    after: Option<&LockName>,
    limit: u32,
) -> Result<Vec<HeldLock>, StoreError> {
    let asked = sqlx::query(LOCKS).bind(after.map_or("", LockName::as_str)).bind(prefix).bind(beyond(prefix));
    asked.bind(i64::from(limit)).fetch_all(readers).await?.iter().map(rows::held_lock).collect()
}

pub(super) async fn leave_queues(writer: &Writer, saga: SagaId, locks: Vec<LockName>) -> Result<(), StoreError> {
    let left = writer.transaction(move |connection| {
        let mut leave = connection.prepare_cached(LEAVE_QUEUE)?;
        let mut left = 0;
        for lock in &locks {
            left += leave.execute(params![lock.as_str(), saga.0.as_bytes()])?;
        }
        Ok(if left > 0 { Work::Wrote(()) } else { Work::Untouched(()) })
    });
    Ok(left.await?)
}

pub(super) const LEAVE_QUEUE: &str = "-- leave_queue
    delete from lock_queue
    where lock = ?1
        and saga = ?2
        and not exists (
            select 1
            from sagas
            where id = ?2
                and ended_at is null
        )";

/// Answers how many places and locks were deleted.
pub(super) fn tidy_locks(connection: &Connection, before: Time, limit: u32) -> rusqlite::Result<usize> {
    let places = connection.prepare_cached(TIDY_PLACES)?.execute(params![before.0, limit])?;
    Ok(places + connection.prepare_cached(TIDY_LOCKS)?.execute(params![before.0, limit])?)
}

pub(super) const TIDY_PLACES: &str = "-- tidy_places
    delete from lock_queue
    where (lock, saga) in (
        select place.lock, place.saga
        from lock_queue as place indexed by lock_queue_old
        where place.arrived_at < ?
            and not exists (
                select 1
                from sagas
                where id = place.saga
                    and ended_at is null
            )
        order by place.arrived_at
        limit ?
    )";

pub(super) const TIDY_LOCKS: &str = "-- tidy_locks
    delete from locks
    where lock in (
        select lock
        from locks indexed by locks_old
        where last_arrival < ?
            and not exists (
                select 1
                from lock_queue
                where lock_queue.lock = locks.lock
            )
        order by last_arrival
        limit ?
    )";
