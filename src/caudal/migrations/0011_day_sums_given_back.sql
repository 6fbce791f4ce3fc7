-- What a payment was counted for and did not move is taken off its day's sums again, down to no payment at all.

alter table risk.usage drop constraint usage_amount_check;
alter table risk.usage add constraint usage_amount_check check (amount >= 0 and count >= 0) not valid;
alter table risk.usage validate constraint usage_amount_check;
