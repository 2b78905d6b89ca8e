-- What tells the world of sagas: an index into the journal, in the order in which it was written, and who is told.

-- One row for each transaction in which a saga began, turned back, ended, or asked for a person. It is written in that very
-- transaction and says where in which journals that stands, and nothing else. There is no order over all sagas: a writer commits one
-- transaction after another and numbers them, so that whoever has seen one number has seen those below.
create table batches (
    -- Drawn by a process for itself, and again whenever it cannot tell whether its last number was used.
    writer blob not null check (length(writer) = 16),
    -- Dense from 1 on.
    number integer not null check (number >= 1),
    -- Above that of every batch that its writer can have known of (a Lamport clock), in microseconds since 1970 where clocks are right.
    at integer not null,
    -- 16 bytes of a saga's id, then the seq, twice, plus one if it is where attention ended, as LEB128; and so on.
    entries blob not null,
    primary key (writer, number)
) strict, without rowid;

-- In order, and what is old goes.
create index batches_at on batches (at);

-- Up to where the rows of a writer were deleted: whoever has not seen that far has missed something.
create table dropped_batches (
    writer blob not null primary key check (length(writer) = 16),
    number integer not null check (number >= 1),
    -- When; those that were dropped long ago are forgotten.
    at integer not null
) strict, without rowid;

-- Whoever is told, and up to where it has been told.
create table subscriptions (
    id blob not null primary key check (length(id) = 16),
    -- What it wants to hear and where, and how it goes: the store reads neither.
    body text not null,
    report text not null,
    created_at integer not null,
    -- Since when it is told nothing, because somebody said so.
    paused_at integer,
    -- Pairs of 16 bytes of a writer and its number as LEB128: all up to there is told.
    places blob not null,
    -- All batches of before are told.
    told_until integer not null,
    -- Who tells it, and how often that has changed.
    owner blob check (length(owner) = 16),
    epoch integer not null check (epoch >= 0)
) strict, without rowid;
