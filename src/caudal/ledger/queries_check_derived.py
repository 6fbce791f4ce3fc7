"""What must hold of all that is kept beside the journal and follows from it. Statements give offenders."""

from typing import Final

# Of a posted part with the rest held anew, the new hold is the row behind it.
_HOLDS_MATCH: Final = """
select coalesce(h.seq, t.seq) as seq, h.amount, h.state, h.resolved_seq, r.kind as resolved_by_kind,
       r.amount as resolved_amount
  from (select seq, debit_account_no, credit_account_no, amount, state, expires_at, resolved_seq
          from ledger.hold
         where book_id = %(book_id)s) h
  full join (select seq, debit_account_no, credit_account_no, amount,
                    (terms ->> 'expires_at')::timestamptz as expires_at
               from ledger.transfer
              where book_id = %(book_id)s
                and kind = 2) t
    on t.seq = h.seq
  left join ledger.transfer r
    on r.book_id = %(book_id)s and r.seq = h.resolved_seq
  left join ledger.transfer n
    on n.book_id = %(book_id)s and n.seq = r.seq + 1 and r.terms ->> 'remainder' = 'hold'
 where ((h.amount, h.debit_account_no, h.credit_account_no)
        is distinct from (t.amount, t.debit_account_no, t.credit_account_no)
        or h.expires_at is distinct from t.expires_at
        or (h.state = 1) <> (h.resolved_seq is null)
        or h.state <> 1 and (r.related_seq is distinct from h.seq
                             or r.kind is distinct from (case h.state when 2 then 3 when 3 then 4 else 5 end)
                             or r.seq <= h.seq
                             or r.debit_account_no <> h.debit_account_no
                             or r.credit_account_no <> h.credit_account_no
                             or r.amount > h.amount
                             or h.state <> 2 and r.amount <> h.amount
                             or h.state = 4 and (h.expires_at is null or r.recorded_at < h.expires_at)
                             or n.kind = 2 and r.amount < h.amount and n.group_seq = r.group_seq
                                and r.amount + n.amount <> h.amount
                                and n.debit_account_no = h.debit_account_no
                                and n.credit_account_no = h.credit_account_no))
"""

_HELD_RESOLVED_ONCE: Final = """
select t.related_seq as seq, count(*) as resolutions, min(t.seq) as first_seq, max(t.seq) as last_seq
  from ledger.transfer t
  left join ledger.hold h
    on h.book_id = %(book_id)s and h.seq = t.related_seq and h.resolved_seq = t.seq
 where t.book_id = %(book_id)s
   and t.kind in (3, 4, 5)
 group by t.related_seq
having count(*) <> 1 or count(h.seq) <> 1
"""

_PENDING_EQUALS_HOLDS: Final = """
select account_no, sum(debits) as debits_pending_less_held, sum(credits) as credits_pending_less_held
  from (select account_no, debits_pending as debits, credits_pending as credits
          from ledger.account_state
         where book_id = %(book_id)s
         union all
        select debit_account_no, -amount, 0
          from ledger.hold
         where book_id = %(book_id)s
           and state = 1
         union all
        select credit_account_no, 0, -amount
          from ledger.hold
         where book_id = %(book_id)s
           and state = 1) sides
 group by account_no
having sum(debits) <> 0 or sum(credits) <> 0
"""

_NEXT_EXPIRY_BOUNDS: Final = """
select h.account_no, s.next_expiry, h.expires_at as earliest_expiry
  from (select account_no, min(expires_at) as expires_at
          from (select debit_account_no as account_no, expires_at
                  from ledger.hold
                 where book_id = %(book_id)s
                   and state = 1
                 union all
                select credit_account_no, expires_at
                  from ledger.hold
                 where book_id = %(book_id)s
                   and state = 1) sides
         where expires_at is not null
         group by account_no) h
  left join ledger.account_state s
    on s.book_id = %(book_id)s and s.account_no = h.account_no
 where s.next_expiry is null or s.next_expiry > h.expires_at
"""

_REVERSALS_ADD_UP: Final = """
select coalesce(v.original_seq, r.related_seq) as seq, v.amount as noted, r.amount as reversed,
       o.amount as original
  from (select original_seq, amount
          from ledger.reversal
         where book_id = %(book_id)s) v
  full join (select related_seq, sum(amount) as amount
               from ledger.transfer
              where book_id = %(book_id)s
                and kind = 6
              group by related_seq) r
    on r.related_seq = v.original_seq
  left join ledger.transfer o
    on o.book_id = %(book_id)s and o.seq = coalesce(v.original_seq, r.related_seq)
 where v.amount is distinct from r.amount
    or o.seq is null
    or o.kind not in (1, 3)
    or r.amount > o.amount
"""

_EFFECTIVE_DAYS_ADD_UP: Final = """
with dated as materialized (
    select debit_account_no, credit_account_no, amount,
           (effective_at at time zone 'UTC')::date as effective_day,
           (recorded_at at time zone 'UTC')::date as recorded_day
      from ledger.transfer
     where book_id = %(book_id)s
       and effective_at is not null
       and kind in (1, 3, 6)
)
select account_no, day, sum(debits) as debits_amiss, sum(credits) as credits_amiss
  from (select account_no, day, debits, credits
          from ledger.effective_day
         where book_id = %(book_id)s
         union all
        select debit_account_no, effective_day, -amount, 0 from dated where effective_day <> recorded_day
         union all
        select debit_account_no, recorded_day, amount, 0 from dated where effective_day <> recorded_day
         union all
        select credit_account_no, effective_day, 0, -amount from dated where effective_day <> recorded_day
         union all
        select credit_account_no, recorded_day, 0, amount from dated where effective_day <> recorded_day) days
 group by account_no, day
having sum(debits) <> 0 or sum(credits) <> 0
"""

_TRANSFER_METADATA_EQUALS: Final = """
select coalesce(m.seq, p.seq) as seq, coalesce(m.key, p.key) as key, m.value as listed, p.value as recorded
  from (select seq, key, value
          from ledger.transfer_metadata
         where book_id = %(book_id)s) m
  full join (select t.seq, pair.key, pair.value
               from ledger.transfer t
              cross join lateral jsonb_each_text(t.metadata) pair
              where t.book_id = %(book_id)s
                and t.metadata is not null) p
    on p.seq = m.seq and p.key = m.key and p.value = m.value
 where m.seq is null or p.seq is null
"""

_ACCOUNT_METADATA_EQUALS: Final = """
select coalesce(m.account_no, p.account_no) as account_no, coalesce(m.key, p.key) as key,
       m.value as listed, p.value as recorded
  from (select account_no, key, value
          from ledger.account_metadata
         where book_id = %(book_id)s) m
  full join (select a.account_no, pair.key, pair.value
               from ledger.account a
              cross join lateral jsonb_each_text(a.metadata) pair
              where a.book_id = %(book_id)s
                and a.metadata is not null) p
    on p.account_no = m.account_no and p.key = m.key and p.value = m.value
 where m.account_no is null or p.account_no is null
"""

# A closed account's side went to suspense; the posting still names the account that the caller meant.
_ENTRIES_BALANCE: Final = """
with postings as materialized (
    select e.first_seq, p ->> 'account' as account, p ->> 'side' as side, p ->> 'currency' as currency,
           (p ->> 'amount')::bigint as amount
      from ledger.transaction e
     cross join lateral jsonb_array_elements(e.postings) p
     where e.book_id = %(book_id)s
), carried as materialized (
    select e.first_seq, t.amount, d.currency,
           coalesce(t.terms ->> 'debit_redirected', 'acct_' || replace(d.id::text, '-', '')) as debit,
           coalesce(t.terms ->> 'credit_redirected', 'acct_' || replace(c.id::text, '-', '')) as credit
      from ledger.transaction e
      join ledger.transfer t
        on t.book_id = %(book_id)s and t.seq between e.first_seq and e.last_seq
      join ledger.account d
        on d.book_id = %(book_id)s and d.account_no = t.debit_account_no
      join ledger.account c
        on c.book_id = %(book_id)s and c.account_no = t.credit_account_no
     where e.book_id = %(book_id)s
)
select first_seq, account, side, currency, sum(amount) as amiss
  from (select first_seq, account, side, currency, amount from postings
         union all
        select first_seq, debit, 'debit', currency, -amount from carried
         union all
        select first_seq, credit, 'credit', currency, -amount from carried) sides
 group by first_seq, account, side, currency
having sum(amount) <> 0
 union all
select first_seq, null, null, currency, sum(case side when 'debit' then amount else -amount end)
  from postings
 group by first_seq, currency
having sum(case side when 'debit' then amount else -amount end) <> 0
"""

DERIVED: Final = {
    "holds_match": _HOLDS_MATCH,
    "held_resolved_once": _HELD_RESOLVED_ONCE,
    "pending_equals_holds": _PENDING_EQUALS_HOLDS,
    "next_expiry_bounds": _NEXT_EXPIRY_BOUNDS,
    "reversals_add_up": _REVERSALS_ADD_UP,
    "effective_days_add_up": _EFFECTIVE_DAYS_ADD_UP,
    "transfer_metadata_equals": _TRANSFER_METADATA_EQUALS,
    "account_metadata_equals": _ACCOUNT_METADATA_EQUALS,
    "entries_balance": _ENTRIES_BALANCE,
}
