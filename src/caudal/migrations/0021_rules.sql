-- Rules of decisions, in versions: who wrote them, who reviewed them, which of them count, which are snoozed.

create schema rules;

-- A version never changes. reads: the features that its conditions read, with their types, so that it can be made ready
-- and replayed by itself for ever.
create table rules.rule_set (
    book_id     integer          not null,
    version     integer          not null,
    feature_set integer          not null,
    rules       json             not null,
    reads       json             not null,
    created_at  timestamptz      not null,
    created_by  text collate "C" not null,
    author      uuid             not null
);
alter table rules.rule_set add constraint rule_set_pkey primary key (book_id, version);
alter table rules.rule_set add constraint rule_set_version_check check (version > 0);

-- Once for each version, by somebody else than its author.
create table rules.review (
    book_id     integer          not null,
    version     integer          not null,
    verdict     text collate "C" not null,
    note        text,
    reviewed_at timestamptz      not null,
    reviewed_by text collate "C" not null
);
alter table rules.review add constraint review_pkey primary key (book_id, version);
alter table rules.review add constraint review_version_fkey
    foreign key (book_id, version) references rules.rule_set (book_id, version);
alter table rules.review add constraint review_verdict_check check (verdict in ('accept', 'reject'));

-- Which version counts, the last publication says: publishing an older one is going back to it.
create table rules.publication (
    book_id      integer          not null,
    number       integer          not null,
    version      integer          not null,
    published_at timestamptz      not null,
    published_by text collate "C" not null
);
alter table rules.publication add constraint publication_pkey primary key (book_id, number);
alter table rules.publication add constraint publication_version_fkey
    foreign key (book_id, version) references rules.rule_set (book_id, version);
create index publication_version_idx on rules.publication (book_id, version, number);

-- Rules that do not fire until a moment, whichever version is published. Nothing is deleted: a decision keeps the number
-- of the newest one that it knew of, and replay finds the same.
create table rules.snooze (
    book_id    integer          not null,
    number     integer          not null,
    rule       text collate "C" not null,
    until      timestamptz      not null,
    reason     text             not null,
    snoozed_at timestamptz      not null,
    snoozed_by text collate "C" not null
);
alter table rules.snooze add constraint snooze_pkey primary key (book_id, number);
create index snooze_rule_idx on rules.snooze (book_id, rule, number);

-- The newest of each rule: what a batch of decisions reads.
create table rules.snoozed (
    book_id    integer          not null,
    rule       text collate "C" not null,
    number     integer          not null,
    until      timestamptz      not null,
    reason     text             not null,
    snoozed_at timestamptz      not null,
    snoozed_by text collate "C" not null
);
alter table rules.snoozed add constraint snoozed_pkey primary key (book_id, rule);
