-- Semantic locks: who wants to have what for itself, in order of arrival. The twin of ../sqlite/0003_locks.sql, which says more.
-- Keys begin with the lock: a queue lives in one place, wherever its sagas do.

-- One row for each lock: whoever takes a place in its queue locks it first, so that places become visible in their order.
create table locks (
    -- By bytes, as sagas take their locks in the order of the bytes.
    lock text collate "C" not null primary key,
    last_arrival bigint not null
);

create index locks_old on locks (last_arrival);

create table lock_queue (
    lock text collate "C" not null,
    saga uuid not null,
    arrived_at bigint not null,
    primary key (lock, saga)
);

create index lock_queue_order on lock_queue (lock, arrived_at);

create index lock_queue_old on lock_queue (arrived_at);
