-- A version that was deleted. Its row stays without its text, so that its number never means another one. With its text it is on its
-- way: no saga is made of it any more, and it is looked whether there is one. Null: it is there.

alter table definitions add column deleted_at integer;
