-- What a key may ask of the API in a second: null is what the settings say, 0 is no limit.

alter table access.key add column requests_per_second integer;
alter table access.key add constraint key_requests_per_second_check
    check (requests_per_second between 0 and 1000000) not valid;
alter table access.key validate constraint key_requests_per_second_check;
