-- A version that takes no new starts; sagas that run go on with it. Null: it takes them.

alter table definitions add column disabled_at integer;
