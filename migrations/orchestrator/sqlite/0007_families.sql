-- Whose child a saga is; of a root null. It never changes.
alter table sagas add column parent blob check (length(parent) = 16);

-- The children of a saga: to list them, and to know whether a parent is still kept.
create index sagas_children on sagas (parent, started_at, id) where parent is not null;
