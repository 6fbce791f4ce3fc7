-- How far partners' clocks were ahead of a worker's, by the Date of their answers: for the doctor.
create table routing.clock (
    book_id     integer          not null,
    partner     text collate "C" not null,
    ahead_ms    integer          not null,
    measured_at timestamptz      not null
) with (fillfactor = 50);
alter table routing.clock add constraint clock_pkey primary key (book_id, partner);
