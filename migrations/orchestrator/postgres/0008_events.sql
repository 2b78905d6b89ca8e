-- What tells the world of sagas: the twin of ../sqlite/0009_events.sql, which says more. Keys begin with the writer: its rows live in
-- one place.

create table batches (
    writer uuid not null,
    number bigint not null check (number >= 1),
    at bigint not null,
    entries bytea not null,
    primary key (writer, number)
);

create index batches_at on batches (at);

create table dropped_batches (
    writer uuid not null primary key,
    number bigint not null check (number >= 1),
    at bigint not null
);

-- A small global table.
create table subscriptions (
    id uuid not null primary key,
    body text not null,
    report text not null,
    created_at bigint not null,
    paused_at bigint,
    places bytea not null,
    told_until bigint not null,
    owner uuid,
    epoch bigint not null check (epoch >= 0),
    -- By the database's time. Who owns it may be replaced from then on.
    lease_until bigint not null
);
