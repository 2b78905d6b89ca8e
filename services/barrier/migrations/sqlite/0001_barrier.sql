-- The barrier's rows, in the participant's own store. Applied by `amends_barrier::sqlite::open`, before the service's own.

-- Whose store this is: two services that answer with one fingerprint share a store, which is an error.
create table barrier_store (
    id integer not null primary key check (id = 1),
    fingerprint text not null
) strict;

-- One row for each call this participant has heard of. `open` exists only inside a transaction.
create table barrier_call (
    saga text not null,
    step text not null,
    item integer not null check (item >= -1), -- the index of a for_each, -1 without one
    op text not null check (op in ('action', 'compensate')),
    state text not null check (state in ('open', 'done', 'rejected', 'accepted', 'tombstone')),
    digest blob check (digest is null or length(digest) = 32), -- method, path, body; null: a tombstone came first
    epoch integer not null check (epoch >= 1),
    attempt integer not null check (attempt >= 1),
    status integer check (status between 200 and 499),
    body blob,
    at integer not null, -- microseconds since 1970
    primary key (saga, step, item, op),
    check ((status is null) = (body is null)),
    check (state in ('open', 'tombstone') or (status is not null and digest is not null)),
    check (op = 'action' or state in ('open', 'done'))
) strict;

-- The highest epoch seen for a saga.
create table barrier_fence (
    saga text not null primary key,
    epoch integer not null check (epoch >= 1)
) strict;

-- What happened here, written in the transaction of the effect. Auditors believe this and nothing else.
create table barrier_ledger (
    seq integer not null primary key autoincrement,
    saga text not null,
    step text not null,
    item integer not null,
    op text not null check (op in ('action', 'compensate')),
    effect text not null check (effect in ('applied', 'undone', 'null')),
    epoch integer not null,
    attempt integer not null,
    at integer not null -- microseconds since 1970
) strict;

create index barrier_ledger_by_saga on barrier_ledger (saga, seq);
