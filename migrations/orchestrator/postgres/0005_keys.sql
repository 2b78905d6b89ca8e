-- Secrets that all nodes have in common: what proves that a callback's token was given out by one of them. A small global table.
create table keys (
    name text collate "C" not null primary key,
    secret bytea not null check (length(secret) = 32),
    created_at bigint not null
);
