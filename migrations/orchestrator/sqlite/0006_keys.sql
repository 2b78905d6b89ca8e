-- Secrets that whoever serves the store has in common: what proves that a callback's token was given out here.
create table keys (
    name text not null primary key,
    secret blob not null check (length(secret) = 32),
    created_at integer not null
) strict, without rowid;
