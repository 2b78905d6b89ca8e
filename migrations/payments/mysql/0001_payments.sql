-- The twin of ../sqlite. Ids compare byte by byte: `ada` and `Ada` are two accounts.
create table account (
    seq bigint not null auto_increment primary key,
    id varchar(255) not null unique,
    balance bigint not null check (balance between 0 and 1000000000000000), -- minor units, always
    frozen boolean not null -- takes part in nothing new; what was done can still be undone
) engine = InnoDB default charset = utf8mb4 collate = utf8mb4_nopad_bin;

-- What moved money: a charge for an order; a withdrawal and a deposit for a transfer.
create table entry (
    seq bigint not null auto_increment primary key,
    id varchar(36) not null unique,
    kind varchar(10) not null check (kind in ('charge', 'withdrawal', 'deposit')),
    reference varchar(255) not null, -- the order, the transfer
    account varchar(255) not null,
    amount bigint not null check (amount > 0),
    status varchar(10) not null check (status in ('applied', 'reversed')),
    key entry_by_reference (reference),
    key entry_by_account (account),
    foreign key (account) references account (id)
) engine = InnoDB default charset = utf8mb4 collate = utf8mb4_nopad_bin;
