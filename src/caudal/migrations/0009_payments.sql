-- Payments, and what belongs to them. Every writer holds the book's lock.
--
-- data is the whole object as the code reads it back; the columns beside it are what is searched by and what the
-- database itself vouches for. One writer makes both from one value.

create schema payments;

create table payments.payment (
    book_id           integer     not null,
    id                uuid        not null,
    kind              text        not null,
    state             text        not null,
    customer          uuid        not null,
    amount            bigint      not null,
    currency          text        not null,
    authorised_amount bigint      not null,
    captured_amount   bigint      not null,
    refunded_amount   bigint      not null,
    refunding_amount  bigint      not null,
    disputed_amount   bigint      not null,
    partner           text,
    partner_id        text,
    reference         text,
    version           integer     not null,
    created_at        timestamptz not null,
    updated_at        timestamptz not null,
    data              json        not null
) with (fillfactor = 70);
alter table payments.payment add constraint payment_pkey primary key (book_id, id);
alter table payments.payment add constraint payment_kind_check check (kind in ('pay_in', 'payout', 'internal'));
alter table payments.payment add constraint payment_state_check
    check (state in ('scheduled', 'review', 'processing', 'requires_action', 'authorised', 'capturing', 'incrementing',
                     'cancelling', 'succeeded', 'declined', 'failed', 'cancelled', 'expired', 'returned'));
alter table payments.payment add constraint payment_amount_check check (amount > 0);
alter table payments.payment add constraint payment_amounts_check
    check (authorised_amount >= 0 and captured_amount >= 0 and refunded_amount >= 0 and refunding_amount >= 0
           and disputed_amount >= 0);
alter table payments.payment add constraint payment_partner_check check ((kind = 'internal') = (partner is null));
create index payment_customer_idx on payments.payment (book_id, customer, id);
create index payment_amount_idx on payments.payment (book_id, amount, id);
-- What has not simply succeeded is what people look for by its state.
create index payment_state_idx on payments.payment (book_id, state, id) where state <> 'succeeded';
create index payment_reference_idx on payments.payment (book_id, reference, id) where reference is not null;
create unique index payment_partner_id_key on payments.payment (book_id, partner, partner_id)
    where partner_id is not null;

-- One call to a partner, under its own idempotency key.
create table payments.attempt (
    book_id    integer     not null,
    id         uuid        not null,
    payment_id uuid        not null,
    operation  text        not null,
    state      text        not null,
    partner    text        not null,
    updated_at timestamptz not null,
    data       json        not null
) with (fillfactor = 70);
alter table payments.attempt add constraint attempt_pkey primary key (book_id, id);
alter table payments.attempt add constraint attempt_operation_check
    check (operation in ('submit', 'capture', 'increment', 'cancel', 'refund'));
alter table payments.attempt add constraint attempt_state_check
    check (state in ('created', 'submitting', 'unknown', 'accepted', 'succeeded', 'failed', 'cancelled'));
create index attempt_payment_idx on payments.attempt (book_id, payment_id);
-- Never two attempts of one payment under way: while one may still have its effect, no other begins.
create unique index attempt_live_key on payments.attempt (book_id, payment_id)
    where operation <> 'refund' and state in ('created', 'submitting', 'unknown');
create index attempt_unsettled_idx on payments.attempt (book_id, updated_at)
    where state in ('created', 'submitting', 'unknown');

create table payments.capture (
    book_id    integer not null,
    id         uuid    not null,
    payment_id uuid    not null,
    state      text    not null,
    amount     bigint  not null,
    data       json    not null
);
alter table payments.capture add constraint capture_pkey primary key (book_id, id);
alter table payments.capture add constraint capture_state_check check (state in ('pending', 'succeeded', 'failed'));
alter table payments.capture add constraint capture_amount_check check (amount > 0);
create index capture_payment_idx on payments.capture (book_id, payment_id);

create table payments.refund (
    book_id    integer not null,
    id         uuid    not null,
    payment_id uuid    not null,
    state      text    not null,
    amount     bigint  not null,
    partner_id text,
    data       json    not null
);
alter table payments.refund add constraint refund_pkey primary key (book_id, id);
alter table payments.refund add constraint refund_state_check check (state in ('pending', 'succeeded', 'failed'));
alter table payments.refund add constraint refund_amount_check check (amount > 0);
create index refund_payment_idx on payments.refund (book_id, payment_id);
create index refund_partner_id_idx on payments.refund (book_id, partner_id) where partner_id is not null;

create table payments.dispute (
    book_id    integer not null,
    id         uuid    not null,
    payment_id uuid    not null,
    state      text    not null,
    amount     bigint  not null,
    partner    text    not null,
    partner_id text    not null,
    data       json    not null
);
alter table payments.dispute add constraint dispute_pkey primary key (book_id, id);
alter table payments.dispute add constraint dispute_partner_id_key unique (book_id, partner, partner_id);
alter table payments.dispute add constraint dispute_state_check
    check (state in ('inquiry', 'closed', 'open', 'won', 'lost'));
create index dispute_payment_idx on payments.dispute (book_id, payment_id);
create index dispute_state_idx on payments.dispute (book_id, state, id);

-- Batches that partners have paid out to our bank account, with what they say is in them.
create table payments.settlement (
    book_id     integer     not null,
    partner     text        not null,
    partner_id  text        not null,
    amount      bigint      not null,
    currency    text        not null,
    arrived_at  timestamptz,
    recorded_at timestamptz not null
);
alter table payments.settlement add constraint settlement_pkey primary key (book_id, partner, partner_id);

create table payments.settlement_line (
    book_id            integer not null,
    partner            text    not null,
    partner_id         text    not null,
    settlement         text    not null,
    kind               text    not null,
    source_id          text,
    payment_partner_id text,
    attempt_id         text,
    amount             bigint  not null,
    fee                bigint  not null,
    currency           text    not null
);
alter table payments.settlement_line add constraint settlement_line_pkey primary key (book_id, partner, partner_id);
create index settlement_line_settlement_idx on payments.settlement_line (book_id, partner, settlement);
