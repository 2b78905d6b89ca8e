-- Orders. The status is the semantic lock: while an order is pending, its saga is still deciding about it.
create table orders (
    seq integer not null primary key autoincrement,
    id text not null unique,
    customer text not null,
    sku text,
    quantity integer check (quantity > 0),
    amount integer check (amount >= 0), -- minor units
    status text not null check (status in ('pending', 'confirmed', 'rejected')),
    tracking text check (tracking is null or status = 'confirmed')
) strict;
