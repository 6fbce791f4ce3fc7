-- Routing: rules in versions, which of them is published, what is known of partners, and what has become of attempts.

create schema routing;

-- A version never changes. Which one counts, the last publication says: publishing an older one is going back to it.
create table routing.rule_set (
    book_id    integer          not null,
    version    integer          not null,
    rules      json             not null,
    created_at timestamptz      not null,
    created_by text collate "C" not null
);
alter table routing.rule_set add constraint rule_set_pkey primary key (book_id, version);
alter table routing.rule_set add constraint rule_set_version_check check (version > 0);

create table routing.publication (
    book_id      integer          not null,
    number       integer          not null,
    version      integer          not null,
    published_at timestamptz      not null,
    published_by text collate "C" not null
);
alter table routing.publication add constraint publication_pkey primary key (book_id, number);
alter table routing.publication add constraint publication_version_fkey
    foreign key (book_id, version) references routing.rule_set (book_id, version);
create index publication_version_idx on routing.publication (book_id, version, number);

-- A partner that could not be called when a worker last tried. Gone once a call has come through.
create table routing.outage (
    book_id integer          not null,
    partner text collate "C" not null,
    reason  text             not null,
    since   timestamptz      not null,
    until   timestamptz      not null
);
alter table routing.outage add constraint outage_pkey primary key (book_id, partner);

-- A partner that an operator lets run dry.
create table routing.drain (
    book_id    integer          not null,
    partner    text collate "C" not null,
    reason     text             not null,
    since      timestamptz      not null,
    drained_by text collate "C" not null
);
alter table routing.drain add constraint drain_pkey primary key (book_id, partner);

-- Sums of a UTC day. rule is '' where the caller named the partner, or there were no rules.
create table routing.attempted (
    book_id  integer          not null,
    day      date             not null,
    rule     text collate "C" not null,
    partner  text collate "C" not null,
    currency text collate "C" not null,
    method   text collate "C" not null,
    outcome  text collate "C" not null,
    count    integer          not null,
    amount   bigint           not null
) with (fillfactor = 50);
alter table routing.attempted add constraint attempted_pkey
    primary key (book_id, day, rule, partner, currency, method, outcome);
alter table routing.attempted add constraint attempted_outcome_check
    check (outcome in ('approved', 'soft_decline', 'hard_decline', 'failed', 'not_sent'));
alter table routing.attempted add constraint attempted_count_check check (count > 0 and amount >= 0);

create table routing.cost (
    book_id  integer          not null,
    day      date             not null,
    rule     text collate "C" not null,
    partner  text collate "C" not null,
    currency text collate "C" not null,
    method   text collate "C" not null,
    count    integer          not null,
    amount   bigint           not null
) with (fillfactor = 50);
alter table routing.cost add constraint cost_pkey primary key (book_id, day, rule, partner, currency, method);
alter table routing.cost add constraint cost_count_check check (count > 0);
