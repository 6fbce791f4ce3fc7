-- Features: events as decisions know them, and what is kept of each series of them so that a window of any length costs
-- the same.

create schema features;

create table features.feature_set (
    book_id    integer          not null,
    version    integer          not null,
    declared   json             not null,
    created_at timestamptz      not null,
    created_by text collate "C" not null
);
alter table features.feature_set add constraint feature_set_pkey primary key (book_id, version);
alter table features.feature_set add constraint feature_set_version_check check (version > 0);

-- Equal series of all versions are one. filled_to: up to which event its history has been counted; null once it is kept
-- up with each event.
create table features.series (
    book_id   integer          not null,
    number    integer          not null,
    identity  text collate "C" not null,
    filled_to bigint
);
alter table features.series add constraint series_pkey primary key (book_id, number);
alter table features.series add constraint series_identity_key unique (book_id, identity);

-- ordinal is the order in which events became known, without gaps.
create table features.event (
    book_id  integer          not null,
    ordinal  bigint           not null,
    source   text collate "C" not null,
    id       text collate "C" not null,
    event_at timestamptz      not null,
    known_at timestamptz      not null,
    entities jsonb            not null,
    tags     jsonb            not null,
    values   jsonb            not null
);
alter table features.event add constraint event_pkey primary key (book_id, ordinal);
alter table features.event add constraint event_id_key unique (book_id, source, id);
alter table features.event add constraint event_known_check check (known_at >= event_at);

-- Running sums in the order of events. A run is a sequence of events that came in order: what comes late begins another,
-- and only in the last one are later rows moved.
create table features.cumulative (
    book_id  integer     not null,
    series   integer     not null,
    key      bytea       not null,
    run      smallint    not null,
    event_at timestamptz not null,
    ordinal  bigint      not null,
    count    bigint      not null,
    total    numeric     not null,
    squares  numeric     not null
);
alter table features.cumulative add constraint cumulative_pkey
    primary key (book_id, series, key, run, event_at, ordinal);

-- The newest row of each run. The columns that move are in no index, so that updates stay on their page.
create table features.head (
    book_id  integer     not null,
    series   integer     not null,
    key      bytea       not null,
    run      smallint    not null,
    event_at timestamptz not null,
    count    bigint      not null,
    total    numeric     not null,
    squares  numeric     not null
) with (fillfactor = 70);
alter table features.head add constraint head_pkey primary key (book_id, series, key, run);

-- Least and greatest value in a bucket of time, counted from 1970 in lengths of the series' grain.
create table features.extreme (
    book_id  integer not null,
    series   integer not null,
    key      bytea   not null,
    bucket   bigint  not null,
    least    bigint  not null,
    greatest bigint  not null
) with (fillfactor = 70);
alter table features.extreme add constraint extreme_pkey primary key (book_id, series, key, bucket);

-- Each value that a key was seen with, by its hash, and when it happened last.
create table features.member (
    book_id integer     not null,
    series  integer     not null,
    key     bytea       not null,
    value   uuid        not null,
    last_at timestamptz not null
);
alter table features.member add constraint member_pkey primary key (book_id, series, key, value);
create index member_last_idx on features.member (book_id, series, key, last_at);
