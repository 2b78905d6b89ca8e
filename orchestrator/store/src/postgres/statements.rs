//! The one statement that writes a batch: sagas made, sagas gone on with, their events, which of these are turns in the life of a
//! saga, the notes they answer.
//!
//! It commits itself, so a batch of any size is one trip to the server, and so is a lone append. It is put together from five
//! parts, of which a batch uses those it needs.
//!
//! **The plan cannot flip.** Rows are found by `id = any (array[…])` and not by `id = …`: over such a condition no join can
//! hash or merge, so that all there is is a nested loop over the batch with a look into the primary key; reading the whole
//! table instead, which looks cheap while the table is small, is switched off (`session`). How many rows the batch has
//! PostgreSQL does not know when it plans, so that the join of events with the sagas that were written is always hashed.
//! `tests/plans.rs` keeps watch.

use std::sync::LazyLock;

use sqlx::AssertSqlSafe;

/// Which parts a batch needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) creates: bool,
    pub(super) advances: bool,
    pub(super) verdicts: bool,
    pub(super) turns: bool,
}

impl Parts {
    pub(super) const ALL: [Self; 12] = {
        let mut all = [Self { creates: true, advances: false, verdicts: false, turns: false }; 12];
        let mut place = 0;
        while place < all.len() {
            let sagas = place % 3;
            all[place] =
                Self { creates: sagas != 1, advances: sagas != 0, verdicts: place % 6 >= 3, turns: place >= 6 };
            place += 1;
        }
        all
    };
}

/// The statement. Its parameters are arrays: of [`EVENTS`], then of each part in order.
pub(super) fn write(parts: Parts) -> AssertSqlSafe<&'static str> {
    static TEXTS: LazyLock<[String; Parts::ALL.len()]> = LazyLock::new(|| Parts::ALL.map(text));
    let place = Parts::ALL.iter().position(|all| *all == parts);
    // Safe: made of constants.
    AssertSqlSafe(TEXTS[place.expect("invariant: a batch makes sagas or goes on with some")].as_str())
}

/// Types of the columns of each part, in order.
pub(super) const EVENTS: &[&str] = &["uuid", "bigint", "bigint", "bigint", "text"];
const CREATES: &[&str] = &[
    "uuid", "text", "bigint", "text", "text", "text", "text", "boolean", "bigint", "bigint", "bigint", "bigint",
    "bigint", "uuid", "bigint", "bigint", "uuid", "uuid",
];
const ADVANCES: &[&str] =
    &["uuid", "bigint", "bigint", "text", "boolean", "bigint", "bigint", "bigint", "bigint", "uuid", "boolean"];
const VERDICTS: &[&str] = &["uuid", "uuid", "text"];
const TURNS: &[&str] = &["uuid", "bytea"];

fn text(parts: Parts) -> String {
    let mut parameters = 0;
    let mut unnest = |types: &[&str]| {
        let arrays: Vec<String> =
            types.iter().enumerate().map(|(place, name)| format!("${}::{name}[]", parameters + place + 1)).collect();
        parameters += types.len();
        format!("unnest({})", arrays.join(", "))
    };
    let events = unnest(EVENTS);
    let mut with = Vec::new();
    let mut touched = Vec::new();
    if parts.creates {
        touched.push("select id from created");
        with.push(format!(
            "created as (
                insert into sagas (
                    id, name, version, definition, start_key, request, status, attention, started_at, updated_at,
                    ended_at, wake_at, asleep_until, owner, epoch, next_seq, last_commit, parent
                )
                select *
                from {} as made (
                    id, name, version, definition, start_key, request, status, attention, started_at, updated_at,
                    ended_at, wake_at, asleep_until, owner, epoch, next_seq, last_commit
                )
                -- Of what is deleted nothing is made: whoever deletes looks afterwards for what was made before. A scalar
                -- subquery, by the primary key, whatever the statistics say.
                where (
                    select definitions.deleted_at
                    from definitions
                    where definitions.name = made.name
                        and definitions.version = made.version
                ) is null
                -- A start that is repeated meets its first row: the id is derived from its key.
                on conflict (id) do nothing
                returning id
            )",
            unnest(CREATES)
        ));
    }
    if parts.advances {
        touched.push("select id from advanced");
        with.push(format!(
            "advanced as (
                update sagas
                set status = advance.status,
                    attention = advance.attention,
                    updated_at = advance.updated_at,
                    ended_at = advance.ended_at,
                    wake_at = advance.wake_at,
                    next_seq = advance.next_seq,
                    last_commit = advance.last_commit,
                    owner = case when advance.released then null else sagas.owner end,
                    asleep_until = case when advance.released then advance.wake_at end
                from {} as advance (
                    id, epoch, expected_seq, status, attention, updated_at, ended_at, wake_at, next_seq, last_commit,
                    released
                )
                where sagas.id = any (array[advance.id])
                    -- The fence: an owner whose saga was adopted has an older epoch.
                    and sagas.epoch = advance.epoch
                    -- And one that let go has none.
                    and sagas.owner is not null
                    -- The journal goes on where this writer thinks it does.
                    and sagas.next_seq = advance.expected_seq
                    -- What has ended stays so.
                    and (sagas.ended_at is null or advance.ended_at is not null)
                returning sagas.id
            )",
            unnest(ADVANCES)
        ));
    }
    with.push(format!("touched as ({})", touched.join(" union all ")));
    with.push(format!(
        "kept as (
            insert into journal (saga, seq, epoch, at, event)
            select event.saga, event.seq, event.epoch, event.at, event.event
            from {events} as event (saga, seq, epoch, at, event)
                -- Only of sagas whose row was written just now.
                join touched on touched.id = event.saga
            returning 1
        )"
    ));
    if parts.verdicts {
        with.push(format!(
            "given as (
                update inbox
                -- The first verdict stays: somebody may have read it already. Not a condition: it would be that of an index,
                -- and a whole index looks cheap to read while it is small.
                set verdict = coalesce(inbox.verdict, answer.verdict)
                from {} as answer (saga, note, verdict)
                    join touched on touched.id = answer.saga
                where inbox.saga = any (array[answer.saga])
                    and inbox.id = any (array[answer.note])
            )",
            unnest(VERDICTS)
        ));
    }
    let mut numbered = "0::bigint";
    if parts.turns {
        let turns = unnest(TURNS);
        let next = parameters + 1;
        with.push(format!(
            "batched as (
                insert into batches (writer, number, at, entries)
                select ${next}::uuid, ${}::bigint, ${}::bigint, string_agg(turn.entries, ''::bytea)
                from {turns} as turn (saga, entries)
                    -- Only of sagas whose row was written just now.
                    join touched on touched.id = turn.saga
                having count(*) > 0
                returning 1
            )",
            next + 1,
            next + 2
        ));
        numbered = "(select count(*) from batched)";
    }
    format!(
        "-- write_batch
        with {}
        select id, (select count(*) from kept) as events, {numbered} as numbered
        from touched",
        with.join(",\n        ")
    )
}
