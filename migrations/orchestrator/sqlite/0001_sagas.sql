-- The state of every saga, its journal, and the definitions. One server owns this file.
-- Times are microseconds since 1970 in UTC; ids are the 16 bytes of a UUID, so that their order is that of the bytes.
-- PostgreSQL has the same tables: keys of saga tables begin with the saga's id, secondary indexes are not unique, and
-- nothing refers across sagas.

create table sagas (
    id blob not null primary key check (length(id) = 16),
    name text not null,
    version integer not null check (version >= 0),
    definition text not null,
    start_key text,
    request text,
    status text not null
        check (status in ('running', 'compensating', 'completed', 'compensated', 'abandoned', 'succeeded')),
    attention integer not null check (attention in (0, 1)),
    started_at integer not null,
    updated_at integer not null,
    ended_at integer,
    wake_at integer,
    owner blob check (length(owner) = 16),
    epoch integer not null check (epoch >= 1),
    next_seq integer not null check (next_seq >= 2),
    last_commit blob not null check (length(last_commit) = 16),
    check ((start_key is null) = (request is null)),
    check ((ended_at is not null) = (status in ('completed', 'compensated', 'abandoned')))
) strict, without rowid;

-- Every commit updates a row, so the columns that change with each one (updated_at, next_seq, last_commit) stand in no
-- index, and what most sagas never are costs them nothing. A saga that goes well pays four index writes in its life.

-- List of all.
create index sagas_started on sagas (started_at, id);

-- List by name.
create index sagas_named on sagas (name, started_at, id);

-- Orphans by id, lists of what still runs, counts.
create index sagas_live on sagas (id) where ended_at is null;

-- Lists of what went wrong; the status is in it so that a rare one is found without reading rows.
create index sagas_undone on sagas (started_at, id, status)
    where status in ('compensating', 'compensated', 'abandoned', 'succeeded');

-- List of what a person has to look at.
create index sagas_attention on sagas (started_at, id) where attention = 1;

-- What is in nobody's memory and wants to be woken.
create index sagas_asleep on sagas (wake_at) where owner is null and wake_at is not null;

create table journal (
    saga blob not null check (length(saga) = 16),
    seq integer not null check (seq >= 1),
    epoch integer not null check (epoch >= 1),
    at integer not null,
    event text not null,
    primary key (saga, seq)
) strict, without rowid;

create table definitions (
    name text not null,
    version integer not null check (version >= 0),
    digest text not null,
    source text not null,
    created_at integer not null,
    primary key (name, version)
) strict, without rowid;
