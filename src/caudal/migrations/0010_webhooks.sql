-- Webhooks from partners: stored raw, once each, before they are answered; applied by jobs.
--
--     received  to be applied: by the job that was enqueued with it
--     applied   has had its effect, or there was none left to have
--     ignored   is of no concern to us
--     parked    could not be applied; waits for a person
--
-- Nothing counts as seen before it has succeeded: a row leaves `received` in the transaction of its effect.

create schema webhooks;

create table webhooks.inbound (
    book_id     integer            not null,
    id          uuid               not null,
    partner     text   collate "C" not null,
    event_id    text   collate "C" not null,
    type        text   collate "C" not null,
    state       text   collate "C" not null,
    occurred_at timestamptz        not null,
    received_at timestamptz        not null,
    attempts    integer            not null,
    settled_at  timestamptz,
    reason      text   collate "C",
    body        bytea
);
alter table webhooks.inbound add constraint inbound_pkey primary key (book_id, id);
-- A repeat has the same event id, and is not stored again.
alter table webhooks.inbound add constraint inbound_event_key unique (book_id, partner, event_id);
alter table webhooks.inbound add constraint inbound_state_check
    check (state in ('received', 'applied', 'ignored', 'parked'));
alter table webhooks.inbound add constraint inbound_settled_at_check
    check ((state = 'received') = (settled_at is null));
alter table webhooks.inbound add constraint inbound_reason_check
    check (char_length(reason) <= 1000 and (state <> 'parked' or reason is not null));
-- Bodies hold what partners say of people: those that have had their effect are removed after a time.
alter table webhooks.inbound add constraint inbound_body_check
    check (octet_length(body) <= 1048576 and (body is not null or state in ('applied', 'ignored')));

create index inbound_state_idx on webhooks.inbound (book_id, state, id);
-- What the removal of bodies reads; an id begins with the time of the receipt.
create index inbound_body_idx on webhooks.inbound (book_id, id)
 where body is not null and state in ('applied', 'ignored');
