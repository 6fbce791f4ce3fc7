-- Webhooks out: where events are sent, how far each endpoint has got, and what became of each delivery.
--
-- An endpoint reads the book's events by their seq, which has no gaps: what it has been given is everything up to
-- drive.through_seq, and what of that is not over is a pending row of delivery. So writing an event costs nothing
-- more, however many endpoints there are, and none is missed or delivered to an endpoint as two deliveries.

create schema delivery;

create table delivery.endpoint (
    book_id     integer            not null,
    id          uuid               not null,
    url         text   collate "C" not null,
    types       text[] collate "C" not null,
    ordered     boolean            not null,
    concurrency smallint           not null,
    description text   collate "C",
    status      text   collate "C" not null,
    reason      text   collate "C",
    created_at  timestamptz        not null,
    disabled_at timestamptz
);
alter table delivery.endpoint add constraint endpoint_pkey primary key (book_id, id);
alter table delivery.endpoint add constraint endpoint_url_check check (octet_length(url) between 8 and 2048);
alter table delivery.endpoint add constraint endpoint_types_check check (cardinality(types) between 1 and 50);
alter table delivery.endpoint add constraint endpoint_concurrency_check check (concurrency between 1 and 64);
alter table delivery.endpoint add constraint endpoint_status_check
    check (status in ('enabled', 'disabled', 'deleted'));
alter table delivery.endpoint add constraint endpoint_reason_check
    check ((status = 'disabled') = (reason is not null) and reason in ('requested', 'gone', 'failing'));

-- What signs deliveries, sealed under a key that is not in the database. The newest has no end.
create table delivery.secret (
    book_id     integer            not null,
    endpoint_id uuid               not null,
    id          uuid               not null,
    signature   text   collate "C" not null,
    sealed      bytea              not null,
    public_key  text   collate "C",
    created_at  timestamptz        not null,
    expires_at  timestamptz
);
alter table delivery.secret add constraint secret_pkey primary key (book_id, endpoint_id, id);
alter table delivery.secret add constraint secret_signature_check check (signature in ('v1', 'v1a'));
alter table delivery.secret add constraint secret_public_key_check
    check ((signature = 'v1a') = (public_key is not null));

-- How far an endpoint has got, and which worker drives it: one at a time, as long as its claim holds.
-- revision counts the changes of the endpoint, so that whoever drives it notices.
create table delivery.drive (
    book_id       integer     not null,
    endpoint_id   uuid        not null,
    active        boolean     not null,
    revision      integer     not null,
    through_seq   bigint      not null,
    failing_since timestamptz,
    claim         uuid,
    claimed_until timestamptz
) with (fillfactor = 20);
alter table delivery.drive add constraint drive_pkey primary key (book_id, endpoint_id);
alter table delivery.drive add constraint drive_claim_check check ((claim is null) = (claimed_until is null));

-- One row for each endpoint and event that was tried, or was passed over while its predecessors are tried.
-- attempts counts all of them, tried those since the schedule began: a replay begins it anew.
create table delivery.delivery (
    book_id     integer            not null,
    endpoint_id uuid               not null,
    seq         bigint             not null,
    event_id    uuid               not null,
    type        text   collate "C" not null,
    object_type text   collate "C" not null,
    object_id   uuid               not null,
    state       text   collate "C" not null,
    attempts    integer            not null,
    tried       smallint           not null,
    next_at     timestamptz,
    ended_at    timestamptz,
    status      smallint,
    error       text   collate "C"
) with (fillfactor = 90);
alter table delivery.delivery add constraint delivery_pkey primary key (book_id, endpoint_id, seq);
alter table delivery.delivery add constraint delivery_state_check
    check (state in ('pending', 'delivered', 'failed'));
alter table delivery.delivery add constraint delivery_next_at_check
    check ((state = 'pending') = (next_at is not null) and (state = 'pending') = (ended_at is null));

create index delivery_pending_idx on delivery.delivery (book_id, endpoint_id, next_at) where state = 'pending';
-- What an ordered endpoint asks: is there an earlier one of the same object?
create index delivery_object_idx on delivery.delivery (book_id, endpoint_id, object_id, seq) where state = 'pending';
create index delivery_failed_idx on delivery.delivery (book_id, endpoint_id, seq) where state = 'failed';

create table delivery.attempt (
    book_id     integer            not null,
    endpoint_id uuid               not null,
    seq         bigint             not null,
    number      integer            not null,
    at          timestamptz        not null,
    duration_ms integer            not null,
    status      smallint,
    error       text   collate "C",
    response    bytea              not null
);
alter table delivery.attempt add constraint attempt_pkey primary key (book_id, endpoint_id, seq, number);
alter table delivery.attempt add constraint attempt_response_check check (octet_length(response) <= 2048);

-- The version of a type's data: it changes when a reader would have to.
alter table events.event add column version smallint not null default 1;
