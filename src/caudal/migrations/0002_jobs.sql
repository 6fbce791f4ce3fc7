-- Background work, written in the transaction of the data that it belongs to.
--
-- A job that has succeeded is deleted, in the transaction of its effects: the table holds what is still to be done, and
-- what a person has to look at or did away with. So the cost of a claim knows no history.
--
--     ready      may be claimed once run_at has come, if no earlier job of its key is unfinished
--     parked     waits for earlier jobs of its key; out of the claims' sight, so that a long queue behind one key costs
--                the others nothing; whoever ends the job before it makes it ready
--     running    claimed, until claimed_until
--     dead       gave up; holds up its key until a person replays or skips it
--     skipped    gave up, or was dead, and holds up nothing
--     cancelled  called off before it ran
--
-- seq, not id, orders the jobs of a key: they are enqueued under their object's lock, where a number from a sequence
-- cannot run backwards as clocks of two processes can.

create schema jobs;

create table jobs.job (
    book_id       integer            not null,
    id            uuid               not null,
    seq           bigint             not null generated always as identity,
    queue         text   collate "C" not null,
    kind          text   collate "C" not null,
    key           text   collate "C",
    state         text   collate "C" not null,
    alone         boolean            not null,
    attempts      integer            not null,
    run_at        timestamptz        not null,
    enqueued_at   timestamptz        not null,
    claim         uuid,
    claimed_until timestamptz,
    ended_at      timestamptz,
    last_error    text   collate "C",
    payload       json               not null
) with (
    -- A queue's rows die young: clean up by number of dead rows, not by share of the table, and at full speed.
    autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.0,
    autovacuum_analyze_threshold = 1000
);
alter table jobs.job add constraint job_pkey primary key (book_id, id);
alter table jobs.job add constraint job_state_check
    check (state in ('ready', 'parked', 'running', 'dead', 'skipped', 'cancelled'));
alter table jobs.job add constraint job_claim_check
    check ((state = 'running') = (claim is not null) and (claim is null) = (claimed_until is null));
alter table jobs.job add constraint job_ended_at_check
    check ((state in ('dead', 'skipped', 'cancelled')) = (ended_at is not null));
alter table jobs.job add constraint job_parked_check check (state <> 'parked' or key is not null);
alter table jobs.job add constraint job_attempts_check check (attempts >= 0);
alter table jobs.job add constraint job_queue_check check (octet_length(queue) between 1 and 100);
alter table jobs.job add constraint job_kind_check check (octet_length(kind) between 1 and 100);
alter table jobs.job add constraint job_key_check check (octet_length(key) between 1 and 200);
alter table jobs.job add constraint job_last_error_check check (char_length(last_error) <= 1000);
alter table jobs.job add constraint job_payload_check check (octet_length(payload::text) <= 65536);

-- Claims read this from its left end.
create index job_ready_idx on jobs.job (book_id, queue, run_at, seq) where state = 'ready';
-- One job of a key at a time, whatever else goes wrong; and what the search for expired claims reads.
create unique index job_running_key on jobs.job (book_id, queue, key) where state = 'running';
-- Which job of a key comes first.
create index job_key_idx on jobs.job (book_id, queue, key, seq)
 where key is not null and state in ('ready', 'parked', 'running', 'dead');
-- The operators' lists.
create index job_ended_idx on jobs.job (book_id, ended_at, id) where ended_at is not null;

-- The last period for which each periodic job was enqueued.
create table jobs.period (
    book_id    integer            not null,
    name       text   collate "C" not null,
    started_at timestamptz        not null
);
alter table jobs.period add constraint period_pkey primary key (book_id, name);
