-- Orders. The status is the semantic lock: while an order is pending, its saga is still deciding about it. The twin of ../sqlite.
create table orders (
    seq bigint generated always as identity primary key,
    id text collate "C" not null unique,
    customer text not null,
    sku text,
    quantity bigint check (quantity > 0),
    amount bigint check (amount >= 0), -- minor units
    status text not null check (status in ('pending', 'confirmed', 'rejected')),
    tracking text check (tracking is null or status = 'confirmed')
);
