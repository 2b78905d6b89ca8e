-- Semantic locks: who wants to have what for itself, in order of arrival.
-- The holder of a lock is the first in its queue whose saga has not ended. Nothing has to be written when a saga ends: a place of
-- one that has ended counts no more, and is deleted at leisure.

-- One row for each lock: whoever takes a place in its queue goes through here, one after another.
create table locks (
    lock text not null primary key,
    -- The last place that was given. None is given twice, and none below it.
    last_arrival integer not null
) strict, without rowid;

-- Locks that nobody has wanted for long go.
create index locks_old on locks (last_arrival);

create table lock_queue (
    lock text not null,
    saga blob not null check (length(saga) = 16),
    arrived_at integer not null,
    primary key (lock, saga)
) strict, without rowid;

-- The queue in its order.
create index lock_queue_order on lock_queue (lock, arrived_at);

-- Places of the dead go.
create index lock_queue_old on lock_queue (arrived_at);
