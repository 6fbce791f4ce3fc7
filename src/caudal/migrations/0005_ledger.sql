-- The ledger: books, accounts, transfers and what is derived from them.
--
-- Everything a posting transaction touches leads its keys with book_id, so that a book can be placed on any server or
-- shard. The one exception is ledger.book, the directory of books, which is read once and never on the way of a request.
--
-- Nothing references ledger.transfer or ledger.account by foreign key from the hot tables: rows are written only by the
-- holder of the book's lock, after it has read the accounts, and `caudal ledger check` proves the references.

create schema ledger;

-- The directory of books. A book is a set of accounts that balance together.
create table ledger.book (
    book_id    integer     not null,
    id         uuid        not null,
    name       text        not null,
    mode       text        not null,
    created_at timestamptz not null
);
alter table ledger.book add constraint book_pkey primary key (book_id);
alter table ledger.book add constraint book_id_key unique (id);
alter table ledger.book add constraint book_name_key unique (name);
alter table ledger.book add constraint book_mode_check check (mode in ('live', 'test'));
alter table ledger.book add constraint book_book_id_check check (book_id > 0);

-- Where a book stands. Its row is the lock that orders all writers of the book.
create table ledger.book_head (
    book_id         integer     not null,
    seq             bigint      not null,
    recorded_at     timestamptz not null,
    next_account_no integer     not null,
    closed_through  date
) with (fillfactor = 10);
alter table ledger.book_head add constraint book_head_pkey primary key (book_id);
alter table ledger.book_head add constraint book_head_seq_check check (seq >= 0);

-- A currency's exponent, frozen when the book first uses it.
create table ledger.currency (
    book_id    integer     not null,
    currency   text        not null,
    exponent   smallint    not null,
    first_used timestamptz not null
);
alter table ledger.currency add constraint currency_pkey primary key (book_id, currency);

-- What an account is. These columns never change but for metadata; what moves is in account_state.
create table ledger.account (
    book_id     integer     not null,
    account_no  integer     not null,
    id          uuid        not null,
    currency    text        not null,
    normal_side text        not null,
    code        text,
    reference   text,
    metadata    jsonb,
    opened_at   timestamptz not null,
    opened_seq  bigint      not null
);
alter table ledger.account add constraint account_pkey primary key (book_id, account_no);
alter table ledger.account add constraint account_id_key unique (book_id, id);
alter table ledger.account add constraint account_reference_key unique (book_id, reference);
alter table ledger.account add constraint account_normal_side_check check (normal_side in ('debit', 'credit'));
create index account_code_idx on ledger.account (book_id, code, account_no) where code is not null;

-- Narrow and updated in place (HOT): the counters, and all that a rule asks of an account.
-- max_net_debit bounds debits less credits, posted and pending; max_net_credit the reverse; null is no limit.
-- next_expiry is never later than the earliest expiry of the account's open holds.
create table ledger.account_state (
    book_id         integer  not null,
    account_no      integer  not null,
    version         bigint   not null,
    debits_posted   bigint   not null,
    credits_posted  bigint   not null,
    debits_pending  bigint   not null,
    credits_pending bigint   not null,
    max_net_debit   bigint,
    max_net_credit  bigint,
    status          smallint not null,
    next_expiry     timestamptz
) with (fillfactor = 50);
alter table ledger.account_state add constraint account_state_pkey primary key (book_id, account_no);
alter table ledger.account_state add constraint account_state_counters_check
    check (debits_posted >= 0 and credits_posted >= 0 and debits_pending >= 0 and credits_pending >= 0);
alter table ledger.account_state add constraint account_state_status_check check (status between 1 and 3);

-- Openings, freezes, closings and changed limits take their place in the book's order beside the transfers.
create table ledger.account_event (
    book_id        integer     not null,
    seq            bigint      not null,
    account_no     integer     not null,
    kind           smallint    not null,
    status         smallint    not null,
    max_net_debit  bigint,
    max_net_credit bigint,
    recorded_at    timestamptz not null
);
alter table ledger.account_event add constraint account_event_pkey primary key (book_id, seq);
create index account_event_account_idx on ledger.account_event (book_id, account_no, seq);

-- One row per transfer, never changed. The eight counters are both accounts' after this transfer, so that a balance at
-- any seq is one index seek per side.
create table ledger.transfer (
    book_id                integer     not null,
    seq                    bigint      not null,
    id                     uuid        not null,
    recorded_at            timestamptz not null,
    debit_account_no       integer     not null,
    credit_account_no      integer     not null,
    amount                 bigint      not null,
    kind                   smallint    not null,
    debit_debits_posted    bigint      not null,
    debit_credits_posted   bigint      not null,
    debit_debits_pending   bigint      not null,
    debit_credits_pending  bigint      not null,
    credit_debits_posted   bigint      not null,
    credit_credits_posted  bigint      not null,
    credit_debits_pending  bigint      not null,
    credit_credits_pending bigint      not null,
    related_seq            bigint,
    group_seq              bigint,
    effective_at           timestamptz,
    code                   text,
    reference              text,
    metadata               jsonb,
    terms                  jsonb
);
alter table ledger.transfer add constraint transfer_pkey primary key (book_id, seq);
alter table ledger.transfer add constraint transfer_id_key unique (book_id, id);
create index transfer_debit_idx on ledger.transfer (book_id, debit_account_no, seq);
create index transfer_credit_idx on ledger.transfer (book_id, credit_account_no, seq);
create index transfer_reference_idx on ledger.transfer (book_id, reference, seq) where reference is not null;
create index transfer_code_idx on ledger.transfer (book_id, code, seq) where code is not null;
create index transfer_related_idx on ledger.transfer (book_id, related_seq, seq) where related_seq is not null;
-- Only rows with a value date of their own are here: the others' value date is their place in the order.
create index transfer_debit_effective_idx on ledger.transfer (book_id, debit_account_no, effective_at, seq)
    where effective_at is not null;
create index transfer_credit_effective_idx on ledger.transfer (book_id, credit_account_no, effective_at, seq)
    where effective_at is not null;

-- The state of each pending transfer, which itself never changes.
create table ledger.hold (
    book_id           integer  not null,
    seq               bigint   not null,
    debit_account_no  integer  not null,
    credit_account_no integer  not null,
    amount            bigint   not null,
    state             smallint not null,
    expires_at        timestamptz,
    resolved_seq      bigint
);
alter table ledger.hold add constraint hold_pkey primary key (book_id, seq);
alter table ledger.hold add constraint hold_state_check
    check (state between 1 and 4 and (state = 1) = (resolved_seq is null));
create index hold_due_idx on ledger.hold (book_id, expires_at, seq)
    where state = 1 and expires_at is not null;
create index hold_debit_due_idx on ledger.hold (book_id, debit_account_no, expires_at)
    where state = 1 and expires_at is not null;
create index hold_credit_due_idx on ledger.hold (book_id, credit_account_no, expires_at)
    where state = 1 and expires_at is not null;

-- How much of a transfer has been reversed.
create table ledger.reversal (
    book_id      integer not null,
    original_seq bigint  not null,
    amount       bigint  not null
);
alter table ledger.reversal add constraint reversal_pkey primary key (book_id, original_seq);
alter table ledger.reversal add constraint reversal_amount_check check (amount > 0);

-- Ids of transfers and journal entries that were refused for a passing reason: they stay refused.
create table ledger.refusal (
    book_id        integer     not null,
    id             uuid        not null,
    is_transaction boolean     not null,
    reason         text        not null,
    refused_at     timestamptz not null
);
alter table ledger.refusal add constraint refusal_pkey primary key (book_id, id, is_transaction);

-- Journal entries, with their postings as the caller gave them; the transfers from first_seq to last_seq carry them.
create table ledger.transaction (
    book_id       integer     not null,
    first_seq     bigint      not null,
    last_seq      bigint      not null,
    id            uuid        not null,
    recorded_at   timestamptz not null,
    postings      jsonb       not null,
    effective_at  timestamptz,
    code          text,
    reference     text,
    metadata      jsonb,
    template      text,
    beyond_limits boolean     not null
);
alter table ledger.transaction add constraint transaction_pkey primary key (book_id, first_seq);
alter table ledger.transaction add constraint transaction_id_key unique (book_id, id);

-- One row per posting transaction: which seqs were recorded when. Turns a time into a seq with one seek.
create table ledger.batch (
    book_id     integer     not null,
    last_seq    bigint      not null,
    recorded_at timestamptz not null
);
alter table ledger.batch add constraint batch_pkey primary key (book_id, last_seq);
create index batch_recorded_at_idx on ledger.batch (book_id, recorded_at, last_seq);

-- By how much a day's posted sums by effective date differ from those by recording date. Only transfers whose
-- two days differ leave anything here: plus on the effective day, minus on the day of recording.
create table ledger.effective_day (
    book_id    integer not null,
    account_no integer not null,
    day        date    not null,
    debits     bigint  not null,
    credits    bigint  not null
);
alter table ledger.effective_day add constraint effective_day_pkey primary key (book_id, account_no, day);

-- Metadata again, one row per pair, so that lists by a pair page in order at a cost that history does not raise.
create table ledger.transfer_metadata (
    book_id integer not null,
    key     text    not null,
    value   text    not null,
    seq     bigint  not null
);
alter table ledger.transfer_metadata add constraint transfer_metadata_pkey primary key (book_id, key, value, seq);

create table ledger.account_metadata (
    book_id    integer not null,
    key        text    not null,
    value      text    not null,
    account_no integer not null
);
alter table ledger.account_metadata
    add constraint account_metadata_pkey primary key (book_id, key, value, account_no);

-- Period closes, in order. The last one's day stands in book_head too.
create table ledger.period (
    book_id        integer     not null,
    closed_through date        not null,
    closed_at      timestamptz not null,
    closed_by      text        not null,
    at_seq         bigint      not null
);
alter table ledger.period add constraint period_pkey primary key (book_id, closed_through);

-- Named sets of postings with parameters. A version never changes; a new one is added beside it.
create table ledger.template (
    book_id    integer     not null,
    name       text        not null,
    version    integer     not null,
    definition jsonb       not null,
    created_at timestamptz not null
);
alter table ledger.template add constraint template_pkey primary key (book_id, name, version);
