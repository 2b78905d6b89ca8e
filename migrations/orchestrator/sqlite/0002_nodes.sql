-- Many processes on one store (which SQLite never has, but the tables are PostgreSQL's twins), sagas that sleep in nobody's
-- memory, notes to whoever owns a saga, and stubs of what retention took.

-- The table of sagas is made anew: its conditions are written out, because SQLite makes a table of an `in (…)` list of more
-- than two for every row that is written. Measured: with a lock for every allocation it was half of the writing thread's time.
create table sagas_anew (
    id blob not null primary key check (length(id) = 16),
    name text not null,
    version integer not null check (version >= 0),
    definition text not null,
    start_key text,
    request text,
    status text not null check (
        status = 'running' or status = 'completed' or status = 'compensating' or status = 'compensated'
            or status = 'abandoned' or status = 'succeeded'
    ),
    attention integer not null check (attention in (0, 1)),
    started_at integer not null,
    updated_at integer not null,
    ended_at integer,
    wake_at integer,
    owner blob check (length(owner) = 16),
    epoch integer not null check (epoch >= 1),
    next_seq integer not null check (next_seq >= 2),
    last_commit blob not null check (length(last_commit) = 16),
    -- Set with the release of a saga and cleared with its claim. A column of its own and not `wake_at`, which changes with
    -- every commit: an index over it would have to be written with every commit, too.
    asleep_until integer,
    -- Retention took the journal; the row is kept as long as a repeat of its start may come.
    purged_at integer,
    check ((start_key is null) = (request is null)),
    check ((ended_at is not null) = (status = 'completed' or status = 'compensated' or status = 'abandoned'))
) strict, without rowid;

insert into sagas_anew (
    id, name, version, definition, start_key, request, status, attention, started_at, updated_at, ended_at, wake_at, owner,
    epoch, next_seq, last_commit
)
select
    id, name, version, definition, start_key, request, status, attention, started_at, updated_at, ended_at, wake_at, owner,
    epoch, next_seq, last_commit
from sagas;

drop table sagas;
alter table sagas_anew rename to sagas;

-- What is in nobody's memory and wants to be woken.
create index sagas_asleep on sagas (asleep_until) where asleep_until is not null;

-- Orphans by owner, lists of what still runs, counts.
create index sagas_live on sagas (owner, id) where ended_at is null;

-- Lists of all, by name, of what went wrong, and of what a person has to look at. They do not show stubs.
create index sagas_started on sagas (started_at, id) where purged_at is null;
create index sagas_named on sagas (name, started_at, id) where purged_at is null;
create index sagas_undone on sagas (started_at, id, status)
    where purged_at is null and status <> 'running' and status <> 'completed';
create index sagas_attention on sagas (started_at, id) where attention = 1;

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
