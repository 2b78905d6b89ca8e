-- Whose child a saga is; of a root null. It never changes.
alter table sagas add column parent uuid;

-- The children of a saga, to list them.
create index sagas_children on sagas (parent, started_at, id) where parent is not null;
