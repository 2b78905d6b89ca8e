-- Shipments that were accepted to be booked later. One goes when it is booked, refused or cancelled.
create table shipment_later (
    saga text not null,
    step text not null,
    item integer not null, -- the index of a for_each, -1 without one
    order_id text not null,
    address text,
    accepted_at integer not null, -- microseconds since 1970
    primary key (saga, step, item)
) strict;

create index shipment_later_by_age on shipment_later (accepted_at);
