-- Anomalies: what is unlike an entity's own past, found in the events of features in the order in which they became
-- known.

create schema anomalies;

-- A version never changes; the highest of a name counts. number is the version's own, of all streams of the
-- book. Events up to `after` teach what is usual, and nothing is told of them.
create table anomalies.stream (
    book_id    integer          not null,
    number     integer          not null,
    name       text collate "C" not null,
    version    integer          not null,
    declared   json             not null,
    after      bigint           not null,
    created_at timestamptz      not null,
    created_by text collate "C" not null
);
alter table anomalies.stream add constraint stream_pkey primary key (book_id, number);
alter table anomalies.stream add constraint stream_version_key unique (book_id, name, version);
alter table anomalies.stream add constraint stream_version_check check (version > 0);

-- Up to which event a stream has come, and what all of its entities have in common: the week.
create table anomalies.position (
    book_id integer not null,
    stream  integer not null,
    through bigint  not null,
    profile json    not null
) with (fillfactor = 50);
alter table anomalies.position add constraint position_pkey primary key (book_id, stream);

-- What is kept of an entity's past: bounded, whatever its length.
create table anomalies.history (
    book_id integer          not null,
    stream  integer          not null,
    entity  text collate "C" not null,
    state   json             not null
) with (fillfactor = 70);
alter table anomalies.history add constraint history_pkey primary key (book_id, stream, entity);

-- Whom an entity has dealt with, by hash.
create table anomalies.counterparty (
    book_id integer          not null,
    stream  integer          not null,
    entity  text collate "C" not null,
    value   uuid             not null
);
alter table anomalies.counterparty add constraint counterparty_pkey primary key (book_id, stream, entity, value);

create table anomalies.anomaly (
    book_id  integer          not null,
    id       uuid             not null,
    stream   integer          not null,
    detector text collate "C" not null,
    entity   text collate "C" not null,
    ordinal  bigint           not null,
    at       timestamptz      not null,
    silenced boolean          not null,
    case_id  uuid,
    found    json             not null
);
alter table anomalies.anomaly add constraint anomaly_pkey primary key (book_id, id);
alter table anomalies.anomaly add constraint anomaly_event_key unique (book_id, ordinal, stream, detector);
create index anomaly_entity_idx on anomalies.anomaly (book_id, entity, ordinal, id);

create table anomalies.silence (
    book_id    integer          not null,
    number     integer          not null,
    stream     text collate "C",
    entity     text collate "C",
    until      timestamptz      not null,
    reason     text             not null,
    created_at timestamptz      not null,
    created_by text collate "C" not null
);
alter table anomalies.silence add constraint silence_pkey primary key (book_id, number);
create index silence_until_idx on anomalies.silence (book_id, until);
