-- The final answers to POSTs that carried an Idempotency-Key, kept 30 days and replayed byte for byte.

create schema idempotency;

-- principal is the caller's lasting identity, not the API key it used: a repeat after a key's rotation finds its answer.
-- fingerprint is the SHA-256 of method, path and body. headers is a JSON array of [name, value] pairs.
-- Status 102 (Processing) is a claim that has no answer yet. No transaction commits one.
create table idempotency.answer (
    book_id     integer          not null,
    principal   uuid             not null,
    key         text collate "C" not null,
    fingerprint bytea            not null,
    status      smallint         not null,
    headers     text             not null,
    body        bytea            not null,
    created_at  timestamptz      not null
);
alter table idempotency.answer add constraint answer_pkey primary key (book_id, principal, key);
alter table idempotency.answer add constraint answer_key_check check (octet_length(key) between 1 and 255);
alter table idempotency.answer add constraint answer_fingerprint_check check (octet_length(fingerprint) = 32);
alter table idempotency.answer add constraint answer_status_check check (status = 102 or status between 200 and 499);

-- For the purge. Not BRIN: once purged pages are used again, its ranges would reach from the oldest answer to the newest.
create index answer_created_idx on idempotency.answer (book_id, created_at);

-- A large body is stored as it is: compressing a megabyte takes longer than the transfers that it lists.
alter table idempotency.answer alter column body set storage external;
