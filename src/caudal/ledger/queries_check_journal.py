"""What must hold of the journal itself: its order, its arithmetic, its limits. Statements give offenders,
first of all their place in the book.

Kinds of transfers: 1 posted, 2 pending, 3 post, 4 void, 5 expiry, 6 reversal (`codes.KIND_CODE`).
"""

from typing import Final

# Both sides of every transfer as its account sees it, with what it should have done to each counter.
_SIDES: Final = """
    select t.debit_account_no as account_no, t.seq,
           t.debit_debits_posted as debits_posted, t.debit_credits_posted as credits_posted,
           t.debit_debits_pending as debits_pending, t.debit_credits_pending as credits_pending,
           case when t.kind in (1, 3, 6) then t.amount else 0 end as plus_debits_posted,
           0::bigint as plus_credits_posted,
           case t.kind when 2 then t.amount when 3 then -coalesce(h.amount, 0)
                       when 4 then -t.amount when 5 then -t.amount else 0 end as plus_debits_pending,
           0::bigint as plus_credits_pending
      from ledger.transfer t
      left join ledger.hold h
        on h.book_id = %(book_id)s and h.seq = t.related_seq and t.kind = 3
     where t.book_id = %(book_id)s
     union all
    select t.credit_account_no, t.seq,
           t.credit_debits_posted, t.credit_credits_posted, t.credit_debits_pending, t.credit_credits_pending,
           0, case when t.kind in (1, 3, 6) then t.amount else 0 end,
           0, case t.kind when 2 then t.amount when 3 then -coalesce(h.amount, 0)
                          when 4 then -t.amount when 5 then -t.amount else 0 end
      from ledger.transfer t
      left join ledger.hold h
        on h.book_id = %(book_id)s and h.seq = t.related_seq and t.kind = 3
     where t.book_id = %(book_id)s
"""

_COUNTERS_FOLLOW: Final = f"""
select seq, account_no, debits_posted, credits_posted, debits_pending, credits_pending
  from (select s.*,
               lag(debits_posted, 1, 0::bigint) over account as before_debits_posted,
               lag(credits_posted, 1, 0::bigint) over account as before_credits_posted,
               lag(debits_pending, 1, 0::bigint) over account as before_debits_pending,
               lag(credits_pending, 1, 0::bigint) over account as before_credits_pending
          from ({_SIDES}) s
        window account as (partition by account_no order by seq)) rows
 where debits_posted <> before_debits_posted + plus_debits_posted
    or credits_posted <> before_credits_posted + plus_credits_posted
    or debits_pending <> before_debits_pending + plus_debits_pending
    or credits_pending <> before_credits_pending + plus_credits_pending
    or least(debits_posted, credits_posted, debits_pending, credits_pending) < 0
"""

# Per account the last row of its history, by two seeks.
_STATE_EQUALS_HISTORY: Final = """
select s.account_no, s.version, s.debits_posted, s.credits_posted, s.debits_pending, s.credits_pending,
       greatest(l.seq, e.seq) as last_seq, l.debits_posted as history_debits_posted,
       l.credits_posted as history_credits_posted, l.debits_pending as history_debits_pending,
       l.credits_pending as history_credits_pending
  from ledger.account_state s
  left join lateral (
       select sides.*
         from ((select seq, debit_debits_posted as debits_posted, debit_credits_posted as credits_posted,
                       debit_debits_pending as debits_pending, debit_credits_pending as credits_pending
                  from ledger.transfer
                 where book_id = %(book_id)s
                   and debit_account_no = s.account_no
                 order by seq desc
                 limit 1)
                union all
               (select seq, credit_debits_posted, credit_credits_posted,
                       credit_debits_pending, credit_credits_pending
                  from ledger.transfer
                 where book_id = %(book_id)s
                   and credit_account_no = s.account_no
                 order by seq desc
                 limit 1)) sides
        order by seq desc
        limit 1) l
    on true
  left join lateral (
       select seq, status, max_net_debit, max_net_credit
         from ledger.account_event
        where book_id = %(book_id)s
          and account_no = s.account_no
        order by seq desc
        limit 1) e
    on true
 where s.book_id = %(book_id)s
   and (s.version, s.debits_posted, s.credits_posted, s.debits_pending, s.credits_pending,
        s.status, s.max_net_debit, s.max_net_credit)
       is distinct from
       (greatest(l.seq, e.seq), coalesce(l.debits_posted, 0), coalesce(l.credits_posted, 0),
        coalesce(l.debits_pending, 0), coalesce(l.credits_pending, 0),
        e.status, e.max_net_debit, e.max_net_credit)
"""

_DEBITS_EQUAL_CREDITS: Final = """
select a.currency, sum(s.debits_posted) as debits_posted, sum(s.credits_posted) as credits_posted,
       sum(s.debits_pending) as debits_pending, sum(s.credits_pending) as credits_pending
  from ledger.account_state s
  left join ledger.account a
    on a.book_id = %(book_id)s and a.account_no = s.account_no
 where s.book_id = %(book_id)s
 group by a.currency
having sum(s.debits_posted) <> sum(s.credits_posted)
    or sum(s.debits_pending) <> sum(s.credits_pending)
"""

_ALL_ROWS: Final = """
    select seq, recorded_at
      from ledger.transfer
     where book_id = %(book_id)s
     union all
    select seq, recorded_at
      from ledger.account_event
     where book_id = %(book_id)s
"""

# The last row of the order is followed by the head's next seq.
_SEQ_WITHOUT_GAPS: Final = f"""
select before as seq, seq as following_seq
  from (select seq, lag(seq, 1, 0::bigint) over (order by seq) as before
          from (select seq from ({_ALL_ROWS}) handed_out
                 union all
                select seq + 1 from ledger.book_head where book_id = %(book_id)s) numbers) pairs
 where seq <> before + 1
"""

_RECORDED_IN_ORDER: Final = f"""
select seq, recorded_at, before as recorded_before
  from (select seq, recorded_at, lag(recorded_at) over (order by seq) as before
          from ({_ALL_ROWS}
                 union all
                select seq + 1, recorded_at
                  from ledger.book_head
                 where book_id = %(book_id)s) handed_out) pairs
 where recorded_at < before
"""

# Every moment's last row ends a batch of that moment, and every batch ends at a row of its moment: with times
# in order, then, each row's batch is of the row's own moment, and a time becomes a seq by one seek.
_BATCHES_MATCH: Final = f"""
select coalesce(b.last_seq, r.last_seq) as last_seq, b.recorded_at as batch_recorded_at,
       r.recorded_at as row_recorded_at
  from (select max(seq) as last_seq, recorded_at from ({_ALL_ROWS}) handed_out group by recorded_at) r
  full join (select max(last_seq) as last_seq, recorded_at
               from ledger.batch
              where book_id = %(book_id)s
              group by recorded_at) b
    on b.recorded_at = r.recorded_at
 where b.last_seq is distinct from r.last_seq
 union all
select b.last_seq, b.recorded_at, r.recorded_at
  from ledger.batch b
  left join ({_ALL_ROWS}) r
    on r.seq = b.last_seq
 where b.book_id = %(book_id)s
   and b.recorded_at is distinct from r.recorded_at
"""

# Limits in force from one event of the account to the next. A side is raised by kinds 1, 2 and 6 alone. The
# rest of a hold, held anew beside its post, raises nothing that the hold had not raised.
_WITHIN_LIMITS: Final = """
with limits as materialized (
    select account_no, seq as from_seq, max_net_debit, max_net_credit,
           lead(seq, 1, 9223372036854775807) over (partition by account_no order by seq) as until_seq
      from ledger.account_event
     where book_id = %(book_id)s
), breaches as (
    select t.seq, t.kind, t.terms, t.debit_account_no as account_no, l.max_net_debit as allowed,
           t.debit_debits_posted + t.debit_debits_pending - t.debit_credits_posted as net,
           t.debit_account_no, t.credit_account_no
      from limits l
      join ledger.transfer t
        on t.book_id = %(book_id)s and t.debit_account_no = l.account_no
       and t.seq > l.from_seq and t.seq < l.until_seq
     where l.max_net_debit is not null
       and t.kind in (1, 2, 6)
       and t.debit_debits_posted + t.debit_debits_pending - t.debit_credits_posted > l.max_net_debit
     union all
    select t.seq, t.kind, t.terms, t.credit_account_no, l.max_net_credit,
           t.credit_credits_posted + t.credit_credits_pending - t.credit_debits_posted,
           t.debit_account_no, t.credit_account_no
      from limits l
      join ledger.transfer t
        on t.book_id = %(book_id)s and t.credit_account_no = l.account_no
       and t.seq > l.from_seq and t.seq < l.until_seq
     where l.max_net_credit is not null
       and t.kind in (1, 2, 6)
       and t.credit_credits_posted + t.credit_credits_pending - t.credit_debits_posted > l.max_net_credit
)
select b.seq, b.account_no, b.net, b.allowed
  from breaches b
  left join ledger.transfer p
    on p.book_id = %(book_id)s and p.seq = b.seq - 1 and b.kind = 2
   and p.kind = 3 and p.terms ->> 'remainder' = 'hold'
   and p.debit_account_no = b.debit_account_no and p.credit_account_no = b.credit_account_no
 where (b.terms ->> 'beyond_limits')::boolean is not true
   and p.seq is null
"""

_GROUPS_TOGETHER: Final = """
select seq, group_seq, before_seq, before_group_seq
  from (select seq, group_seq, lag(seq) over (order by seq) as before_seq,
               lag(group_seq) over (order by seq) as before_group_seq
          from ledger.transfer
         where book_id = %(book_id)s) rows
 where group_seq is not null
   and (group_seq > seq or group_seq < 1
        or (before_group_seq is distinct from group_seq and before_seq >= group_seq))
"""

JOURNAL: Final = {
    "debits_equal_credits": _DEBITS_EQUAL_CREDITS,
    "state_equals_history": _STATE_EQUALS_HISTORY,
    "counters_follow": _COUNTERS_FOLLOW,
    "seq_without_gaps": _SEQ_WITHOUT_GAPS,
    "recorded_in_order": _RECORDED_IN_ORDER,
    "batches_match": _BATCHES_MATCH,
    "within_limits": _WITHIN_LIMITS,
    "groups_together": _GROUPS_TOGETHER,
}
