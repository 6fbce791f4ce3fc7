-- API keys. They belong to no book, as one key may reach several: like the map of books, these rows stand on the
-- directory's server, are read before a book's transaction begins, and never inside one.

create schema access;

-- digest is the SHA-256 of the key's whole text, of which 190 bits are random: nothing to be guessed, so nothing to be
-- stretched. public_id is the part of the text that may be shown.
-- principal_id is the identity that lasts: the id of the first key, which the keys that succeed it take over.
-- books is null for a key that reaches every book.
create table access.key (
    id           uuid             not null,
    principal_id uuid             not null,
    public_id    text collate "C" not null,
    digest       bytea            not null,
    environment  text             not null,
    name         text             not null,
    scopes       text[]           not null,
    books        integer[],
    created_at   timestamptz      not null,
    created_by   text             not null,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    revoked_by   text,
    last_used_at timestamptz
);
alter table access.key add constraint key_pkey primary key (id);
alter table access.key add constraint key_public_id_key unique (public_id);
alter table access.key add constraint key_digest_check check (octet_length(digest) = 32);
alter table access.key add constraint key_environment_check check (environment in ('live', 'test'));
alter table access.key add constraint key_name_check check (char_length(name) between 1 and 100);
alter table access.key add constraint key_books_check check (cardinality(books) > 0 and 0 < all (books));
alter table access.key add constraint key_revoked_check check ((revoked_at is null) = (revoked_by is null));
