-- Exports hold tokens in the place of personal data. With which key they are made stays here.

create schema analytics;

create table analytics.pseudonym (
    book_id integer not null,
    key     bytea   not null
);
alter table analytics.pseudonym add constraint pseudonym_pkey primary key (book_id);
alter table analytics.pseudonym add constraint pseudonym_key_check check (octet_length(key) = 32);
