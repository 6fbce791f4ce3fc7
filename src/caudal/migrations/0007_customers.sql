-- Customers and the products that they have. Names, addresses and numbers of people stand in the vault; here are tokens.

create schema customers;

-- Versions never change and never go: payments remember by which version they were priced.
create table customers.product (
    book_id    integer          not null,
    name       text collate "C" not null,
    version    integer          not null,
    definition jsonb            not null,
    created_at timestamptz      not null
);
alter table customers.product add constraint product_pkey primary key (book_id, name, version);
alter table customers.product add constraint product_version_check check (version > 0);

-- currencies are those in which the customer has ledger accounts: of the product now and of products before it.
create table customers.customer (
    book_id         integer          not null,
    id              uuid             not null,
    type            smallint         not null,
    status          smallint         not null,
    jurisdiction    text collate "C" not null,
    product         text collate "C" not null,
    product_version integer          not null,
    currencies      text[]           not null,
    reference       text collate "C",
    name_token      text collate "C",
    email_token     text collate "C",
    phone_token     text collate "C",
    metadata        jsonb,
    created_at      timestamptz      not null,
    updated_at      timestamptz      not null
);
alter table customers.customer add constraint customer_pkey primary key (book_id, id);
alter table customers.customer add constraint customer_reference_key unique (book_id, reference);
alter table customers.customer add constraint customer_type_check check (type in (1, 2));
alter table customers.customer add constraint customer_status_check check (status between 1 and 3);
alter table customers.customer add constraint customer_jurisdiction_check check (jurisdiction ~ '^[A-Z]{2}$');
alter table customers.customer add constraint customer_currencies_check check (cardinality(currencies) > 0);
alter table customers.customer add constraint customer_name_token_check check (name_token ~ '^tok_[a-z0-9_]{2,64}$');
alter table customers.customer add constraint customer_email_token_check check (email_token ~ '^tok_[a-z0-9_]{2,64}$');
alter table customers.customer add constraint customer_phone_token_check check (phone_token ~ '^tok_[a-z0-9_]{2,64}$');
alter table customers.customer add constraint customer_product_fkey
    foreign key (book_id, product, product_version) references customers.product (book_id, name, version);
create index customer_product_idx on customers.customer (book_id, product, id);
create index customer_status_idx on customers.customer (book_id, status, id) where status <> 1;
create index customer_jurisdiction_idx on customers.customer (book_id, jurisdiction, id);
