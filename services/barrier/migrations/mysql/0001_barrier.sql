-- The barrier's rows, in the participant's own database. Applied by `amends_barrier::mysql::open`, before the service's own.
-- The twin of migrations/sqlite, whose comments hold here, too. The collation compares bytes: the default one takes `Pay` and
-- `pay` for one step, and others `pay` and `pay `.

create table barrier_store (
    id integer not null primary key check (id = 1),
    fingerprint varchar(64) not null
) engine = InnoDB default charset = utf8mb4 collate = utf8mb4_nopad_bin;

create table barrier_call (
    saga varchar(36) not null,
    step varchar(255) not null,
    item bigint not null check (item >= -1),
    op varchar(10) not null check (op in ('action', 'compensate')),
    state varchar(10) not null check (state in ('open', 'done', 'rejected', 'accepted', 'tombstone')),
    digest varbinary(32) check (digest is null or length(digest) = 32),
    epoch bigint not null check (epoch >= 1),
    attempt bigint not null check (attempt >= 1),
    status integer check (status between 200 and 499),
    body mediumblob,
    at bigint not null, -- microseconds since 1970
    primary key (saga, step, item, op),
    check ((status is null) = (body is null)),
    check (state in ('open', 'tombstone') or (status is not null and digest is not null)),
    check (op = 'action' or state in ('open', 'done'))
) engine = InnoDB default charset = utf8mb4 collate = utf8mb4_nopad_bin;

create table barrier_fence (
    saga varchar(36) not null primary key,
    epoch bigint not null check (epoch >= 1)
) engine = InnoDB default charset = utf8mb4 collate = utf8mb4_nopad_bin;

-- `seq` is the order in which entries were written. Of two calls that have nothing to do with each other the later entry may be
-- committed first, so whoever reads page by page while calls run reads the last pages again.
create table barrier_ledger (
    seq bigint not null auto_increment primary key,
    saga varchar(36) not null,
    step varchar(255) not null,
    item bigint not null,
    op varchar(10) not null check (op in ('action', 'compensate')),
    effect varchar(10) not null check (effect in ('applied', 'undone', 'null')),
    epoch bigint not null,
    attempt bigint not null,
    at bigint not null,
    key barrier_ledger_by_saga (saga, seq)
) engine = InnoDB default charset = utf8mb4 collate = utf8mb4_nopad_bin;

create table barrier_ended (
    saga varchar(36) not null primary key,
    at bigint not null,
    key barrier_ended_by_age (at, saga)
) engine = InnoDB default charset = utf8mb4 collate = utf8mb4_nopad_bin;

create table barrier_callback (
    saga varchar(36) not null,
    step varchar(255) not null,
    item bigint not null check (item >= -1),
    token varchar(1024) not null,
    primary key (saga, step, item)
) engine = InnoDB default charset = utf8mb4 collate = utf8mb4_nopad_bin;
