-- The sagas that the orchestrator has named as ended (`forget`). The mark goes with the saga's other rows, after the
-- grace. A saga without a mark keeps its rows for ever.
create table barrier_ended (
    saga text not null primary key,
    at integer not null -- microseconds since 1970: when it was first named, by this participant's clock
) strict;

create index barrier_ended_by_age on barrier_ended (at, saga);
