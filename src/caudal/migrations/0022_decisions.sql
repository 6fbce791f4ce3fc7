-- Decisions as they were made: all that they were made of, so that any of them can be made again.

-- subject is a payment's id, or the caller's own name of an application. data is json, not jsonb: replay compares bytes.
-- A decision is never changed.
create table risk.decision (
    book_id   integer          not null,
    id        uuid             not null,
    of        smallint         not null,
    subject   text collate "C" not null,
    customer  text collate "C",
    outcome   smallint         not null,
    score     double precision,
    at        timestamptz      not null,
    data      json             not null
);
alter table risk.decision add constraint decision_pkey primary key (book_id, id);
alter table risk.decision add constraint decision_of_check check (of between 1 and 2);
alter table risk.decision add constraint decision_outcome_check check (outcome between 0 and 3);
alter table risk.decision add constraint decision_score_check check (score between 0 and 1);
create index decision_subject_idx on risk.decision (book_id, subject, id);
create index decision_customer_idx on risk.decision (book_id, customer, id) where customer is not null;
-- Most are approved: whoever looks for the others finds them without going through those.
create index decision_outcome_idx on risk.decision (book_id, outcome, id) where outcome <> 0;
