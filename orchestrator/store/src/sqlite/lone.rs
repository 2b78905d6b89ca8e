//! A lone append: the whole transaction in one trip to SQLite's thread.
//!
//! Every trip costs two switches between threads, and for one saga that waits for nobody these are most of the time beside
//! the sync. A batch of several goes the way of `commit`, where the trips are shared.

use std::{fmt::Write as _, sync::LazyLock};

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{
    commit::Ready,
    rows::{signed, touched},
};

/// Longer appends go the common way: each length is a text of its own in the cache of statements.
const EVENTS: usize = 8;

const CREATE_ONE: &str = "-- create_one
    begin immediate;
    insert into sagas (
        id, name, version, definition, start_key, request, status, attention, started_at, updated_at, ended_at,
        wake_at, owner, epoch, next_seq, last_commit
    )
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    -- A start that is repeated meets its first row: the id is derived from its key.
    on conflict (id) do nothing
    returning id;
";

const ADVANCE_ONE: &str = "-- advance_one
    begin immediate;
    update sagas
    set status = ?, attention = ?, updated_at = ?, wake_at = ?, next_seq = ?, last_commit = ?
    where id = ?
        -- The fence: an owner whose saga was adopted has an older epoch.
        and epoch = ?
        -- And one that let go has none.
        and owner is not null
        -- The journal goes on where this writer thinks it does.
        and next_seq = ?
        -- What has ended stays so.
        and ended_at is null
    returning id;
";

const END_ONE: &str = "-- end_one
    begin immediate;
    update sagas
    set ended_at = ?, status = ?, attention = ?, updated_at = ?, wake_at = ?, next_seq = ?, last_commit = ?
    where id = ?
        -- The fence: an owner whose saga was adopted has an older epoch.
        and epoch = ?
        -- And one that let go has none.
        and owner is not null
        -- The journal goes on where this writer thinks it does.
        and next_seq = ?
    returning id;
";

static CREATES: LazyLock<Vec<String>> = LazyLock::new(|| texts(CREATE_ONE));
static ADVANCES: LazyLock<Vec<String>> = LazyLock::new(|| texts(ADVANCE_ONE));
static ENDS: LazyLock<Vec<String>> = LazyLock::new(|| texts(END_ONE));

/// By number of events, from 1.
fn texts(first: &str) -> Vec<String> {
    (1..=EVENTS)
        .map(|events| {
            let mut text = first.to_owned();
            let rows = vec!["(?, ?, ?, ?, ?)"; events].join(", ");
            write!(
                text,
                "insert into journal (saga, seq, epoch, at, event)
                select column1, column2, column3, column4, column5
                from (values {rows})
                -- Only if the row of the saga was written just now.
                where changes() = 1
                returning saga as id;
                commit"
            )
            .expect("invariant: writing to a text cannot fail");
            text
        })
        .collect()
}

/// Its row and its events.
pub(super) const STATEMENTS: u64 = 2;

/// Whether this append can go alone.
pub(super) fn fits(ready: &Ready) -> bool {
    ready.events.len() <= EVENTS && !ready.append.release && ready.append.verdicts.is_empty()
}

/// Makes the append durable if its saga is as its writer knows it; `false`: nothing was written. After an error the
/// transaction may still be open: the connection is not to be used again.
pub(super) async fn write(connection: &mut SqliteConnection, ready: &Ready) -> Result<bool, sqlx::Error> {
    let append = &ready.append;
    let ended_at = append.summary.ended_at.map(|time| time.0);
    let texts = match (&append.create, ended_at) {
        (Some(_), _) => &*CREATES,
        (None, None) => &*ADVANCES,
        (None, Some(_)) => &*ENDS,
    };
    let text = &texts[ready.events.len() - 1];
    // Safe: made of constants.
    let mut query = sqlx::query(AssertSqlSafe(text.as_str()));
    query = match &append.create {
        Some(create) => {
            let key = create.key.as_ref();
            query
                .bind(append.saga.0)
                .bind(create.name.clone())
                .bind(i64::from(create.version))
                .bind(create.definition.0.clone())
                .bind(key.map(|key| key.key.clone()))
                .bind(key.map(|key| key.request.0.clone()))
                .bind(append.summary.status.as_str())
                .bind(append.summary.attention)
                .bind(append.first_at().0)
                .bind(append.last_at().0)
                .bind(ended_at)
                .bind(append.summary.wake_at.map(|time| time.0))
                .bind(create.owner)
                .bind(signed(append.epoch))
                .bind(signed(append.next_seq()))
                .bind(append.commit)
        }
        None => {
            if ended_at.is_some() {
                query = query.bind(ended_at);
            }
            query
                .bind(append.summary.status.as_str())
                .bind(append.summary.attention)
                .bind(append.last_at().0)
                .bind(append.summary.wake_at.map(|time| time.0))
                .bind(signed(append.next_seq()))
                .bind(append.commit)
                .bind(append.saga.0)
                .bind(signed(append.epoch))
                .bind(signed(append.expected_seq()))
        }
    };
    for (recorded, event) in append.events.iter().zip(&ready.events) {
        query = query
            .bind(append.saga.0)
            .bind(signed(recorded.seq))
            .bind(signed(recorded.epoch))
            .bind(recorded.at.0)
            .bind(event.clone());
    }
    let rows = query.fetch_all(connection).await?;
    for row in &rows {
        assert_eq!(touched(row)?, append.saga, "invariant: a write touches rows of its own saga only");
    }
    if rows.is_empty() {
        return Ok(false);
    }
    assert_eq!(rows.len(), 1 + ready.events.len(), "invariant: every event of an append is in the journal");
    Ok(true)
}
