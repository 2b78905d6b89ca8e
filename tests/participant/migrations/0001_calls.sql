-- What was asked, once for each call that was judged: written in the transaction of its effect.
create table calls (
    seq integer primary key,
    saga text not null,
    step text not null,
    item integer,
    op text not null,
    method text not null,
    path text not null,
    body text not null
) strict;
