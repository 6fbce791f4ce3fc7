-- How much waits for each endpoint, kept by whoever drives it: nobody has to count to know it.
--
-- pending is the number of its pending deliveries and oldest_pending a seq that none of them is before; null where
-- they have to be counted, as after a replay. behind_since is when so many waited that no more events were read.

alter table delivery.drive add column pending integer;
alter table delivery.drive add column oldest_pending bigint;
alter table delivery.drive add column counted_at timestamptz;
alter table delivery.drive add column behind_since timestamptz;
alter table delivery.drive add constraint drive_pending_check check (pending >= 0);
