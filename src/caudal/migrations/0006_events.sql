-- Events: one for every change of state that somebody outside may want to hear of, written in its transaction.
--
-- Whoever writes events holds the book's lock, so seq has no gaps and its order is that of the changes.

create schema events;

-- The last seq that the book has given to an event.
create table events.head (
    book_id integer not null,
    seq     bigint  not null
) with (fillfactor = 10);
alter table events.head add constraint head_pkey primary key (book_id);
alter table events.head add constraint head_seq_check check (seq > 0);

-- data is the object as the API showed it after the change. json, not jsonb: the bytes are those that are signed and
-- sent, and nothing looks into them.
create table events.event (
    book_id     integer            not null,
    seq         bigint             not null,
    id          uuid               not null,
    type        text   collate "C" not null,
    object_type text   collate "C" not null,
    object_id   uuid               not null,
    at          timestamptz        not null,
    data        json               not null
);
alter table events.event add constraint event_pkey primary key (book_id, seq);
alter table events.event add constraint event_id_key unique (book_id, id);
alter table events.event add constraint event_type_check check (octet_length(type) between 1 and 100);

create index event_object_idx on events.event (book_id, object_id, seq);
create index event_type_idx on events.event (book_id, type, seq);
