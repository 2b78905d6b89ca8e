-- What is on the shelf and not promised to anybody.
create table stock (
    seq integer not null primary key autoincrement,
    sku text not null unique,
    quantity integer not null check (quantity between 0 and 1000000000000)
) strict;

-- What is promised to an order. An order may have several, one for each sku or item.
create table reservation (
    seq integer not null primary key autoincrement,
    id text not null unique,
    order_id text not null,
    sku text not null references stock (sku),
    quantity integer not null check (quantity > 0),
    status text not null check (status in ('reserved', 'released'))
) strict;

create index reservation_by_order on reservation (order_id);
create index reservation_by_sku on reservation (sku);
