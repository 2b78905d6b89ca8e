-- The state of every saga, its journal, its notes, the definitions, and the nodes. Many processes share this database.
-- Times are microseconds since 1970 in UTC. The twin of ../sqlite, whose files say more about each index.
--
-- It must also run where a table is spread over many machines (Citus, YugabyteDB, CockroachDB): every key of a table of
-- sagas begins with the saga's id, secondary indexes are not unique, nothing refers across sagas, there are no sequences.

create table sagas (
    id uuid not null primary key,
    -- By bytes, so that the order of a list is the same wherever it is read.
    name text collate "C" not null,
    version bigint not null check (version >= 0),
    definition text not null,
    start_key text,
    request text,
    status text not null
        check (status in ('running', 'compensating', 'completed', 'compensated', 'abandoned', 'succeeded')),
    attention boolean not null,
    started_at bigint not null,
    updated_at bigint not null,
    ended_at bigint,
    wake_at bigint,
    -- Set with the release of a saga and cleared with its claim. A column of its own and not `wake_at`, which changes with
    -- every commit: see below.
    asleep_until bigint,
    owner uuid,
    epoch bigint not null check (epoch >= 1),
    next_seq bigint not null check (next_seq >= 2),
    last_commit uuid not null,
    -- Retention took the journal; the row is kept as long as a repeat of its start may come.
    purged_at bigint,
    check ((start_key is null) = (request is null)),
    check ((ended_at is not null) = (status in ('completed', 'compensated', 'abandoned')))
)
-- A commit that neither changes status nor owner changes no column that stands in an index or in its condition. It then
-- writes a new row and nothing else, if there is room for one on the same page ("heap-only tuple"): this is the room.
with (fillfactor = 70);

-- List of all. Lists do not show stubs.
create index sagas_started on sagas (started_at, id) where purged_at is null;

-- List by name.
create index sagas_named on sagas (name, started_at, id) where purged_at is null;

-- Orphans by owner, lists of what still runs, counts.
create index sagas_live on sagas (owner, id) where ended_at is null;

-- Lists of what went wrong.
create index sagas_undone on sagas (started_at, id, status)
    where purged_at is null and status in ('compensating', 'compensated', 'abandoned', 'succeeded');

-- List of what a person has to look at.
create index sagas_attention on sagas (started_at, id) where attention;

-- What is in nobody's memory and wants to be woken.
create index sagas_asleep on sagas (asleep_until) where asleep_until is not null;

create table journal (
    saga uuid not null,
    seq bigint not null check (seq >= 1),
    epoch bigint not null check (epoch >= 1),
    at bigint not null,
    -- Not jsonb: it is read whole or not at all, and comes back as it was written.
    event text not null,
    primary key (saga, seq)
);

create table definitions (
    name text collate "C" not null,
    version bigint not null check (version >= 0),
    digest text not null,
    source text not null,
    created_at bigint not null,
    primary key (name, version)
);

create table nodes (
    id uuid not null primary key,
    name text not null,
    joined_at bigint not null,
    lease_until bigint not null
);

create table inbox (
    saga uuid not null,
    id uuid not null,
    body text not null,
    at bigint not null,
    verdict text,
    primary key (saga, id)
);

create index inbox_open on inbox (at) where verdict is null;

-- What is swept once its writer had time to read the verdict.
create index inbox_done on inbox (at) where verdict is not null;
