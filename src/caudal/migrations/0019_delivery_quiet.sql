-- Until when an endpoint has asked to be left alone, for whoever drives it next: no claim is taken before then.

alter table delivery.drive add column quiet_until timestamptz;
