-- The audit log: one record per command, written in the transaction of the command's effect.
--
-- The leaf is the record: canonical JSON that will become a leaf of an RFC 6962 tree. The other columns repeat parts of
-- it, to find records by; `caudal.audit.verify` proves that they agree.
--
-- inserted_by is what makes sealing possible. Ids follow the clock, and a transaction with older ids may commit after
-- one with newer ids, so no id says that nothing can come before it any more. The number of the inserting transaction
-- does: rows with inserted_by < pg_snapshot_xmin(pg_current_snapshot()) belong to transactions that have ended, and no
-- later one gets such a number. The sealing order is (inserted_by, id). Numbers of two servers do not compare: a book's
-- rows are sealed where they were written, and a dump is sealed to its end before it is loaded elsewhere.

create schema audit;

create table audit.record (
    book_id     integer            not null,
    id          uuid               not null,
    recorded_at timestamptz        not null,
    principal   text   collate "C" not null,
    action      text   collate "C" not null,
    object_id   text   collate "C" not null,
    inserted_by xid8               not null default pg_current_xact_id(),
    leaf        bytea              not null
);
alter table audit.record add constraint record_pkey primary key (book_id, id);
alter table audit.record add constraint record_leaf_check check (octet_length(leaf) between 2 and 8192);
create index record_object_idx on audit.record (book_id, object_id, id);
create index record_principal_idx on audit.record (book_id, principal, id);
create index record_action_idx on audit.record (book_id, action, id);

-- Append-only, for the owner too, and for whoever default privileges have let in. A superuser is not bound by this.
do $$
declare
    grantee text;
begin
    for grantee in
        select distinct case acl.grantee when 0 then 'public' else acl.grantee::regrole::text end
          from pg_class as relation,
               aclexplode(coalesce(relation.relacl, acldefault('r', relation.relowner))) as acl
         where relation.oid = 'audit.record'::regclass
    loop
        execute format('revoke update, delete, truncate on audit.record from %s', grantee);
    end loop;
end
$$;
