-- What becomes known of payments and applications after they were decided on, and how far the book's events were read.

-- Never changed: of a subject the label that became known last counts.
create table risk.label (
    book_id  integer          not null,
    subject  text collate "C" not null,
    kind     text collate "C" not null,
    source   text collate "C" not null,
    event_at timestamptz      not null,
    known_at timestamptz      not null,
    note     text
);
alter table risk.label add constraint label_pkey primary key (book_id, subject, kind, source);
alter table risk.label add constraint label_known_check check (known_at >= event_at);
create index label_known_idx on risk.label (book_id, known_at);

-- Up to which of the book's events (seq) features and labels know what became of payments.
create table risk.followed (
    book_id integer not null,
    seq     bigint  not null
) with (fillfactor = 10);
alter table risk.followed add constraint followed_pkey primary key (book_id);
