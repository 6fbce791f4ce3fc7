-- What decisions on payments look up: lists, and how much a customer has moved in a day.

create schema risk;

-- An entry names something by kind and value: a customer, an instrument, a device, an address, a country, a merchant.
create table risk.entry (
    book_id    integer          not null,
    subject    text collate "C" not null,
    value      text collate "C" not null,
    list       smallint         not null,
    reason     text             not null,
    created_at timestamptz      not null,
    created_by text             not null,
    expires_at timestamptz
);
alter table risk.entry add constraint entry_pkey primary key (book_id, subject, value, list);
alter table risk.entry add constraint entry_list_check check (list between 1 and 3);
alter table risk.entry add constraint entry_subject_check
    check (subject in ('customer', 'instrument', 'device', 'ip', 'country', 'merchant'));

-- Sums of a UTC day, only of customers who have a limit per day. country is '' for whatever country. The columns that
-- move are in no index, so that updates stay on their page.
create table risk.usage (
    book_id  integer          not null,
    customer uuid             not null,
    day      date             not null,
    currency text collate "C" not null,
    kind     text collate "C" not null,
    country  text collate "C" not null,
    amount   bigint           not null,
    count    integer          not null
) with (fillfactor = 50);
alter table risk.usage add constraint usage_pkey primary key (book_id, customer, day, currency, kind, country);
alter table risk.usage add constraint usage_amount_check check (amount >= 0 and count > 0);
create index usage_day_idx on risk.usage (book_id, day);
