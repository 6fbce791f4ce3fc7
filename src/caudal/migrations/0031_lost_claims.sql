-- How often a job was lost with its worker: who may have killed it is called with fewer others, and what was never
-- called has had no attempt.
alter table jobs.job add column losses integer not null default 0;
alter table jobs.job add constraint job_losses_check check (losses >= 0);
