-- Sagas that somebody was to drive and could not read: the twin of ../sqlite/0010_poisoned.sql, which says more.
create table poisoned (
    saga uuid not null primary key,
    next_seq bigint not null,
    reason text not null,
    since bigint not null,
    said_by text not null
);
