-- Decisions and labels in the order in which they were committed, for whoever follows them; and who shares what.

-- seq is counted under the book's lock, which is held until the commit: who sees a number sees all that are
-- lower. Null: written by the version before; the job that follows payments numbers those.
alter table risk.decision add column seq bigint;
create unique index decision_seq_idx on risk.decision (book_id, seq) where seq is not null;
create index decision_unnumbered_idx on risk.decision (book_id, id) where seq is null;

alter table risk.label add column seq bigint;
create unique index label_seq_idx on risk.label (book_id, seq) where seq is not null;
create index label_unnumbered_idx on risk.label (book_id, known_at) where seq is null;

-- Which decisions were on a card, a device or an address: key is a hash of the kind and the value.
create table risk.link (
    book_id     integer not null,
    key         uuid    not null,
    decision_id uuid    not null
);
alter table risk.link add constraint link_pkey primary key (book_id, key, decision_id);

-- Up to which of the book's decisions (seq) links are known.
create table risk.linked (
    book_id integer not null,
    seq     bigint  not null
) with (fillfactor = 10);
alter table risk.linked add constraint linked_pkey primary key (book_id);
