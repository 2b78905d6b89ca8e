-- Sagas that somebody was to drive and could not read: an event of a later version, a damaged row, a definition that is gone. Their
-- rows say `attention` from then on, though no event does: nobody writes behind what he cannot read. A word about a saga holds for as
-- long as nobody has appended to it since (`next_seq`): whoever appends has read it, and writes its attention anew.
create table poisoned (
    saga blob not null primary key check (length(saga) = 16),
    next_seq integer not null,
    reason text not null,
    -- Since when, and who said so last: a node's name.
    since integer not null,
    said_by text not null
) strict, without rowid;
