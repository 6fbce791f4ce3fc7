-- What decides on payments and what decides on applications are two things: each purpose has a champion, a challenger,
-- shadows and terms of its own. Versions are counted in the book, so that a decision needs no more than the number.
alter table models.serving add column purpose text collate "C" not null default 'fraud';
update models.serving s
   set purpose = m.card::json ->> 'purpose'
  from models.model m
 where m.book_id = s.book_id
   and m.id = coalesce(s.champion, s.challenger, s.shadows[1], s.model);
alter table models.serving alter column purpose drop default;
alter table models.serving add constraint serving_purpose_check check (purpose in ('fraud', 'credit'));
create index serving_purpose_idx on models.serving (book_id, purpose, version);
