-- Shipments. The tracking number is the shipment's name.
create table shipment (
    seq integer not null primary key autoincrement,
    tracking text not null unique,
    order_id text not null,
    address text,
    status text not null check (status in ('booked', 'cancelled'))
) strict;

create index shipment_by_order on shipment (order_id);
