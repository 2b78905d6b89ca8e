-- Many processes on one store (which SQLite never has, but the tables are PostgreSQL's twins), sagas that sleep in nobody's
-- memory, notes to whoever owns a saga, and stubs of what retention took.

-- Set with the release of a saga and cleared with its claim. A column of its own and not `wake_at`, which changes with every
-- commit: an index over it would have to be written with every commit, too.
alter table sagas add column asleep_until integer;

-- Retention took the journal; the row is kept as long as a repeat of its start may come.
alter table sagas add column purged_at integer;

drop index sagas_asleep;
create index sagas_asleep on sagas (asleep_until) where asleep_until is not null;

-- Orphans by owner, lists of what still runs, counts.
drop index sagas_live;
create index sagas_live on sagas (owner, id) where ended_at is null;

-- Lists do not show stubs.
drop index sagas_started;
create index sagas_started on sagas (started_at, id) where purged_at is null;
drop index sagas_named;
create index sagas_named on sagas (name, started_at, id) where purged_at is null;
drop index sagas_undone;
create index sagas_undone on sagas (started_at, id, status)
    where purged_at is null and status in ('compensating', 'compensated', 'abandoned', 'succeeded');

create table nodes (
    id blob not null primary key check (length(id) = 16),
    name text not null,
    joined_at integer not null,
    -- Microseconds since 1970; null: as long as the process holds the file.
    lease_until integer
) strict, without rowid;

create table inbox (
    saga blob not null check (length(saga) = 16),
    id blob not null check (length(id) = 16),
    body text not null,
    at integer not null,
    verdict text,
    primary key (saga, id)
) strict, without rowid;

create index inbox_open on inbox (at) where verdict is null;

-- What is swept once its writer had time to read the verdict.
create index inbox_done on inbox (at) where verdict is not null;
