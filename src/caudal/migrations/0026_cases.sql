-- Cases: work for people. What happens again under the key of an open case is another occurrence of it.

create schema cases;

create table cases.case_file (
    book_id     integer          not null,
    id          uuid             not null,
    kind        text collate "C" not null,
    key         text collate "C" not null,
    title       text             not null,
    severity    smallint         not null,
    state       text collate "C" not null,
    subjects    json             not null,
    assignee    text collate "C",
    due_at      timestamptz      not null,
    outcome     text collate "C",
    occurrences bigint           not null,
    notes       integer          not null,
    first_at    timestamptz      not null,
    last_at     timestamptz      not null,
    opened_at   timestamptz      not null,
    opened_by   text collate "C" not null,
    updated_at  timestamptz      not null,
    closed_at   timestamptz,
    closed_by   text collate "C"
) with (fillfactor = 70);
alter table cases.case_file add constraint case_file_pkey primary key (book_id, id);
alter table cases.case_file add constraint case_file_state_check check (state in ('open', 'closed'));
alter table cases.case_file add constraint case_file_severity_check check (severity between 1 and 4);
alter table cases.case_file add constraint case_file_occurrences_check check (occurrences > 0);
alter table cases.case_file add constraint case_file_closed_check
    check ((state = 'closed') = (outcome is not null and closed_at is not null and closed_by is not null));
create unique index case_file_open_key on cases.case_file (book_id, kind, key) where state = 'open';
create index case_file_open_idx on cases.case_file (book_id, id) where state = 'open';
create index case_file_due_idx on cases.case_file (book_id, due_at) where state = 'open';
create index case_file_key_idx on cases.case_file (book_id, kind, key, id);
create index case_file_assignee_idx on cases.case_file (book_id, assignee, id) where assignee is not null;

create table cases.subject (
    book_id integer          not null,
    kind    text collate "C" not null,
    value   text collate "C" not null,
    case_id uuid             not null
);
alter table cases.subject add constraint subject_pkey primary key (book_id, kind, value, case_id);

-- The newest of a case; older ones are deleted as new ones come. reference: what it is told by, once.
create table cases.occurrence (
    book_id   integer          not null,
    case_id   uuid             not null,
    number    bigint           not null,
    reference text collate "C" not null,
    at        timestamptz      not null,
    what      text             not null
);
alter table cases.occurrence add constraint occurrence_pkey primary key (book_id, case_id, number);
alter table cases.occurrence add constraint occurrence_reference_key unique (book_id, case_id, reference);

create table cases.note (
    book_id integer          not null,
    case_id uuid             not null,
    number  integer          not null,
    at      timestamptz      not null,
    by      text collate "C" not null,
    body    text             not null
);
alter table cases.note add constraint note_pkey primary key (book_id, case_id, number);
