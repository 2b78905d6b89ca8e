-- A version that was deleted; the twin of ../sqlite/0008_deleted.sql, which says more.

alter table definitions add column deleted_at bigint;
