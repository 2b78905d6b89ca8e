-- The barrier's rows, in the participant's own database. Applied by `amends_barrier::postgres::open`, before the service's own.
-- The twin of migrations/sqlite, whose comments hold here, too; "C" compares bytes.

-- Whose store this is. Here it names the database, not these tables: two services in two schemas of one database share a store.
create table barrier_store (
    id integer not null primary key check (id = 1),
    fingerprint text not null
);

create table barrier_call (
    saga text collate "C" not null,
    step text collate "C" not null,
    item bigint not null check (item >= -1),
    op text collate "C" not null check (op in ('action', 'compensate')),
    state text not null check (state in ('open', 'done', 'rejected', 'accepted', 'tombstone')),
    digest bytea check (digest is null or length(digest) = 32),
    epoch bigint not null check (epoch >= 1),
    attempt bigint not null check (attempt >= 1),
    status integer check (status between 200 and 499),
    body bytea,
    at bigint not null, -- microseconds since 1970
    primary key (saga, step, item, op),
    check ((status is null) = (body is null)),
    check (state in ('open', 'tombstone') or (status is not null and digest is not null)),
    check (op = 'action' or state in ('open', 'done'))
);

create table barrier_fence (
    saga text collate "C" not null primary key,
    epoch bigint not null check (epoch >= 1)
);

-- `seq` is the order in which entries were written. Of two calls that have nothing to do with each other the later entry may be
-- committed first, so whoever reads page by page while calls run reads the last pages again.
create table barrier_ledger (
    seq bigint generated always as identity primary key,
    saga text collate "C" not null,
    step text not null,
    item bigint not null,
    op text not null check (op in ('action', 'compensate')),
    effect text not null check (effect in ('applied', 'undone', 'null')),
    epoch bigint not null,
    attempt bigint not null,
    at bigint not null
);

create index barrier_ledger_by_saga on barrier_ledger (saga, seq);

create table barrier_ended (
    saga text collate "C" not null primary key,
    at bigint not null
);

create index barrier_ended_by_age on barrier_ended (at, saga);

create table barrier_callback (
    saga text collate "C" not null,
    step text collate "C" not null,
    item bigint not null check (item >= -1),
    token text not null,
    primary key (saga, step, item)
);
