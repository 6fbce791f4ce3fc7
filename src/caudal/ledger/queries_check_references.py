"""What refers to what: no foreign keys hold the hot tables together; this does. Statements give offenders."""

from typing import Final

DIRECTORY: Final = """
select coalesce(b.book_id, h.book_id)::text as book_id, b.name, h.seq
  from ledger.book b
  full join ledger.book_head h
    on h.book_id = b.book_id
 where b.book_id is null or h.book_id is null
 order by 1
 limit %(limit)s
"""

# Both accounts are there, differ, have one currency, and were opened before.
_TRANSFER_ACCOUNTS: Final = """
select t.seq, t.debit_account_no, t.credit_account_no, d.currency as debit_currency,
       c.currency as credit_currency
  from ledger.transfer t
  left join ledger.account d
    on d.book_id = %(book_id)s and d.account_no = t.debit_account_no
  left join ledger.account c
    on c.book_id = %(book_id)s and c.account_no = t.credit_account_no
 where t.book_id = %(book_id)s
   and (d.currency is distinct from c.currency
        or d.currency is null
        or t.debit_account_no = t.credit_account_no
        or d.opened_seq > t.seq
        or c.opened_seq > t.seq
        or t.amount not between 1 and 9007199254740991)
"""

_RELATED_RESOLVE: Final = """
select t.seq, t.kind, t.related_seq, r.kind as related_kind
  from ledger.transfer t
  left join ledger.transfer r
    on r.book_id = %(book_id)s and r.seq = t.related_seq
 where t.book_id = %(book_id)s
   and ((t.kind in (1, 2)) <> (t.related_seq is null)
        or t.related_seq >= t.seq
        or t.kind in (3, 4, 5) and r.kind is distinct from 2
        or t.kind = 6 and (r.kind is null or r.kind not in (1, 3)
                           or (t.terms ->> 'credit_redirected' is null
                               and t.credit_account_no <> r.debit_account_no)
                           or (t.terms ->> 'debit_redirected' is null
                               and t.debit_account_no <> r.credit_account_no)))
"""

# Events are of kinds 1 opened, 2 frozen, 3 unfrozen, 4 closed, 5 reopened, 6 limit changed; of statuses
# 1 open, 2 frozen, 3 closed.
_ACCOUNTS_COMPLETE: Final = """
select coalesce(a.account_no, s.account_no) as account_no, a.opened_seq, e.kind as opening_kind,
       h.next_account_no
  from (select account_no, opened_seq, opened_at, currency
          from ledger.account
         where book_id = %(book_id)s) a
  full join (select account_no
               from ledger.account_state
              where book_id = %(book_id)s) s
    on s.account_no = a.account_no
  left join ledger.account_event e
    on e.book_id = %(book_id)s and e.seq = a.opened_seq
  left join ledger.book_head h
    on h.book_id = %(book_id)s
 where a.account_no is null
    or s.account_no is null
    or e.kind is distinct from 1
    or e.account_no <> a.account_no
    or e.recorded_at <> a.opened_at
    or h.next_account_no is null
    or a.account_no not between 1 and h.next_account_no - 1
"""

_EVENTS_FOLLOW: Final = """
select seq, account_no, kind, status
  from (select e.seq, e.account_no, e.kind, e.status, e.max_net_debit, e.max_net_credit,
               a.account_no as known,
               lag(e.status) over account as status_before,
               lag(e.max_net_debit) over account as max_net_debit_before,
               lag(e.max_net_credit) over account as max_net_credit_before,
               row_number() over account as place
          from ledger.account_event e
          left join ledger.account a
            on a.book_id = %(book_id)s and a.account_no = e.account_no
         where e.book_id = %(book_id)s
        window account as (partition by e.account_no order by e.seq)) events
 where known is null
    or (kind = 1) <> (place = 1)
    or status <> (case kind when 2 then 2 when 4 then 3 when 6 then status_before else 1 end)
    or kind not in (1, 6) and (max_net_debit is distinct from max_net_debit_before
                               or max_net_credit is distinct from max_net_credit_before)
"""

_CURRENCIES_KNOWN: Final = """
select a.account_no, a.currency
  from ledger.account a
  left join ledger.currency c
    on c.book_id = %(book_id)s and c.currency = a.currency
 where a.book_id = %(book_id)s
   and c.currency is null
"""

# What was sent to suspense went beyond limits, and stands on the suspense account of its currency.
_SUSPENSE_HOLDS: Final = """
select t.seq, t.terms, d.reference as debit_reference, c.reference as credit_reference
  from ledger.transfer t
  left join ledger.account d
    on d.book_id = %(book_id)s and d.account_no = t.debit_account_no
  left join ledger.account c
    on c.book_id = %(book_id)s and c.account_no = t.credit_account_no
 where t.book_id = %(book_id)s
   and t.terms is not null
   and (t.terms ? 'debit_redirected' or t.terms ? 'credit_redirected')
   and ((t.terms ->> 'beyond_limits')::boolean is not true
        or t.terms ? 'debit_redirected' and d.reference is distinct from 'system:suspense:' || d.currency
        or t.terms ? 'credit_redirected' and c.reference is distinct from 'system:suspense:' || c.currency)
"""

_SUSPENSE_ACCOUNTS: Final = """
select account_no, reference, currency, code
  from ledger.account
 where book_id = %(book_id)s
   and reference >= 'system:' collate "C" and reference < 'system;' collate "C"
   and (reference <> 'system:suspense:' || currency or code is distinct from 'suspense')
"""

_REFUSED_STAY_REFUSED: Final = """
select coalesce(t.seq, e.first_seq) as seq, r.id, r.is_transaction, r.reason
  from ledger.refusal r
  left join ledger.transfer t
    on t.book_id = %(book_id)s and t.id = r.id and not r.is_transaction
  left join ledger.transaction e
    on e.book_id = %(book_id)s and e.id = r.id and r.is_transaction
 where r.book_id = %(book_id)s
   and (t.seq is not null or e.first_seq is not null)
"""

_PERIODS_FORWARD: Final = """
select closed_through, closed_at, at_seq, before as closed_through_before, head as head_closed_through
  from (select p.closed_through, p.closed_at, p.at_seq, h.closed_through as head,
               lag(p.closed_through) over closes as before,
               lag(p.at_seq) over closes as seq_before,
               lead(p.closed_through) over closes as following
          from (select book_id, closed_through
                  from ledger.book_head
                 where book_id = %(book_id)s
                   and closed_through is not null) h
          full join (select book_id, closed_through, closed_at, at_seq
                       from ledger.period
                      where book_id = %(book_id)s) p
            on p.book_id = h.book_id
        window closes as (order by p.closed_at, p.closed_through)) periods
 where closed_through <= before
    or at_seq < seq_before
    or closed_through >= (closed_at at time zone 'UTC')::date
    or following is null and closed_through is distinct from head
"""

REFERENCES: Final = {
    "transfer_accounts_resolve": _TRANSFER_ACCOUNTS,
    "related_resolve": _RELATED_RESOLVE,
    "accounts_complete": _ACCOUNTS_COMPLETE,
    "events_follow": _EVENTS_FOLLOW,
    "currencies_known": _CURRENCIES_KNOWN,
    "suspense_holds": _SUSPENSE_HOLDS,
    "suspense_accounts": _SUSPENSE_ACCOUNTS,
    "refused_stay_refused": _REFUSED_STAY_REFUSED,
    "periods_forward": _PERIODS_FORWARD,
}
