-- What a long history must not make slower or fuller: lists of payments by kind, and bodies of parked webhooks.

-- Payouts have a list of their own. Most payments are pay-ins, which are near the top of the whole list anyway,
-- and are spared the index.
create index payment_kind_idx on payments.payment (book_id, kind, id) where kind <> 'pay_in';

-- A parked webhook that nobody has replayed in time loses its body, and cannot be applied any more.
alter table webhooks.inbound drop constraint inbound_body_check;
alter table webhooks.inbound add constraint inbound_body_check
    check (octet_length(body) <= 1048576 and (body is not null or state <> 'received'));
create index inbound_parked_body_idx on webhooks.inbound (book_id, id)
 where body is not null and state = 'parked';
