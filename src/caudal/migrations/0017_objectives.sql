-- Service-level objectives: what is promised, what was counted, how it stands.

create schema objectives;

-- A version never changes; the highest of a name counts. What comes with the program has no row.
create table objectives.objective (
    book_id             integer          not null,
    name                text collate "C" not null,
    version             integer          not null,
    indicator           text collate "C" not null,
    within_ms           integer          not null,
    target_basis_points integer          not null,
    window_days         integer          not null,
    least_bad           integer          not null,
    enabled             boolean          not null,
    created_at          timestamptz      not null,
    created_by          text collate "C" not null
);
alter table objectives.objective add constraint objective_pkey primary key (book_id, name, version);
alter table objectives.objective add constraint objective_version_check check (version > 0);
alter table objectives.objective add constraint objective_target_check
    check (target_basis_points between 5000 and 9999);

-- What was counted, twice: by minutes, for a few hours, and by hours, for as long as windows are. Each process adds
-- what it has counted to the rows of all. Book 0 is what failed before its book was known.
create table objectives.count (
    book_id   integer          not null,
    span      text collate "C" not null,
    starts_at timestamptz      not null,
    indicator text collate "C" not null,
    within_ms integer          not null,
    total     bigint           not null,
    bad       bigint           not null
) with (fillfactor = 50);
alter table objectives.count add constraint count_pkey
    primary key (book_id, span, starts_at, indicator, within_ms);
alter table objectives.count add constraint count_span_check check (span in ('minute', 'hour'));
alter table objectives.count add constraint count_bad_check check (bad between 0 and total);

-- How far the counts that are read from other tables have come.
create table objectives.measured (
    book_id   integer          not null,
    indicator text collate "C" not null,
    within_ms integer          not null,
    through   timestamptz      not null
) with (fillfactor = 50);
alter table objectives.measured add constraint measured_pkey primary key (book_id, indicator, within_ms);

-- What came of the last evaluation of each objective.
create table objectives.standing (
    book_id integer          not null,
    name    text collate "C" not null,
    data    json             not null
) with (fillfactor = 50);
alter table objectives.standing add constraint standing_pkey primary key (book_id, name);
