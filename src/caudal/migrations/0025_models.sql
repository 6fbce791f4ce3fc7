-- Models: what they are, who serves by which terms, how they drift.

create schema models;

-- The content of a model never changes. card: its JSON as text, since its hash is over these bytes.
create table models.model (
    book_id       integer          not null,
    id            uuid             not null,
    name          text collate "C" not null,
    version       integer          not null,
    hash          bytea            not null,
    card          text             not null,
    artifact      bytea            not null,
    measured      json             not null,
    registered_at timestamptz      not null,
    registered_by text collate "C" not null,
    registrar     uuid             not null,
    retired_at    timestamptz
);
alter table models.model add constraint model_pkey primary key (book_id, id);
alter table models.model add constraint model_name_key unique (book_id, name, version);
alter table models.model add constraint model_hash_key unique (book_id, hash);
alter table models.model add constraint model_version_check check (version > 0);
alter table models.model add constraint model_hash_check check (octet_length(hash) = 32);

-- Every change makes a version, which never changes; the highest counts. So a decision needs to keep no more than its
-- number to be told by which terms it was made.
create table models.serving (
    book_id    integer          not null,
    version    integer          not null,
    terms      json             not null,
    champion   uuid,
    challenger uuid,
    share      smallint         not null,
    shadows    uuid[]           not null,
    what       text collate "C" not null,
    model      uuid,
    reason     text,
    overridden json             not null,
    at         timestamptz      not null,
    by         text collate "C" not null
);
alter table models.serving add constraint serving_pkey primary key (book_id, version);
alter table models.serving add constraint serving_champion_fkey
    foreign key (book_id, champion) references models.model (book_id, id);
alter table models.serving add constraint serving_challenger_fkey
    foreign key (book_id, challenger) references models.model (book_id, id);
alter table models.serving add constraint serving_model_fkey
    foreign key (book_id, model) references models.model (book_id, id);
alter table models.serving add constraint serving_version_check check (version > 0);
alter table models.serving add constraint serving_share_check check (share between 0 and 100);

-- How far scores, inputs and labels of decisions are from those of training, each time that it was looked at.
create table models.drift (
    book_id     integer     not null,
    model       uuid        not null,
    measured_at timestamptz not null,
    drifted     boolean     not null,
    report      json        not null
);
alter table models.drift add constraint drift_pkey primary key (book_id, model, measured_at);
alter table models.drift add constraint drift_model_fkey
    foreign key (book_id, model) references models.model (book_id, id);
