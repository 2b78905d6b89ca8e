-- Accounts. Money is in minor units, always.
create table account (
    seq integer not null primary key autoincrement,
    id text not null unique,
    balance integer not null check (balance between 0 and 1000000000000000),
    frozen integer not null check (frozen in (0, 1)) -- takes part in nothing new; what was done can still be undone
) strict;

-- What moved money: a charge for an order; a withdrawal and a deposit for a transfer.
create table entry (
    seq integer not null primary key autoincrement,
    id text not null unique,
    kind text not null check (kind in ('charge', 'withdrawal', 'deposit')),
    reference text not null, -- the order, the transfer
    account text not null references account (id),
    amount integer not null check (amount > 0),
    status text not null check (status in ('applied', 'reversed'))
) strict;

create index entry_by_reference on entry (reference);
create index entry_by_account on entry (account);
