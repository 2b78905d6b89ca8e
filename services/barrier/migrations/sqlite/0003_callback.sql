-- Tokens of accepted actions, kept until their verdict has been told. One goes with its action's tombstone, and with its saga.
create table barrier_callback (
    saga text not null,
    step text not null,
    item integer not null check (item >= -1),
    token text not null,
    primary key (saga, step, item)
) strict;
