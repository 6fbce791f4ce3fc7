"""The statements by which a batch is written: each takes any number of rows."""

from typing import Final

from caudal.ledger.encoding import TRANSFER_COLUMNS

COPY_TRANSFERS: Final = f"copy ledger.transfer ({TRANSFER_COLUMNS}) from stdin (format binary)"

INSERT_TRANSFERS: Final = f"""
insert into ledger.transfer ({TRANSFER_COLUMNS})
select %(book_id)s, seq, id, %(recorded_at)s, debit, credit, amount, kind,
       c1, c2, c3, c4, c5, c6, c7, c8,
       related_seq, group_seq, effective_at, code, reference, metadata, terms
  from unnest(%(seqs)s, %(ids)s, %(debits)s, %(credits)s,
              %(amounts)s, %(kinds)s,
              %(c1)s, %(c2)s, %(c3)s, %(c4)s,
              %(c5)s, %(c6)s, %(c7)s, %(c8)s,
              %(related)s, %(groups)s, %(effective)s,
              %(codes)s, %(references)s, %(metadata)s, %(terms)s)
       as u(seq, id, debit, credit, amount, kind, c1, c2, c3, c4, c5, c6, c7, c8,
            related_seq, group_seq, effective_at, code, reference, metadata, terms)
"""

UPDATE_STATES: Final = """
update ledger.account_state s
   set version = u.version,
       debits_posted = u.debits_posted,
       credits_posted = u.credits_posted,
       debits_pending = u.debits_pending,
       credits_pending = u.credits_pending
  from unnest(%(numbers)s, %(versions)s, %(debits)s, %(credits)s,
              %(debits_pending)s, %(credits_pending)s)
       as u(account_no, version, debits_posted, credits_posted, debits_pending, credits_pending)
 where s.book_id = %(book_id)s
   and s.account_no = u.account_no
"""

UPDATE_EXPIRIES: Final = """
update ledger.account_state s
   set next_expiry = u.next_expiry
  from unnest(%(numbers)s, %(expiries)s) as u(account_no, next_expiry)
 where s.book_id = %(book_id)s
   and s.account_no = u.account_no
   and s.next_expiry is distinct from u.next_expiry
"""

# The last event of each account says how it stands.
UPDATE_STANDING: Final = """
update ledger.account_state s
   set version = greatest(s.version, u.version),
       status = u.status,
       max_net_debit = u.max_net_debit,
       max_net_credit = u.max_net_credit
  from unnest(%(numbers)s, %(versions)s, %(statuses)s,
              %(max_net_debits)s, %(max_net_credits)s)
       as u(account_no, version, status, max_net_debit, max_net_credit)
 where s.book_id = %(book_id)s
   and s.account_no = u.account_no
"""

INSERT_EVENTS: Final = """
insert into ledger.account_event
       (book_id, seq, account_no, kind, status, max_net_debit, max_net_credit, recorded_at)
select %(book_id)s, seq, account_no, kind, status, max_net_debit, max_net_credit, %(recorded_at)s
  from unnest(%(seqs)s, %(numbers)s, %(kinds)s, %(statuses)s,
              %(max_net_debits)s, %(max_net_credits)s)
       as u(seq, account_no, kind, status, max_net_debit, max_net_credit)
"""

INSERT_ACCOUNTS: Final = """
insert into ledger.account
       (book_id, account_no, id, currency, normal_side, code, reference, metadata, opened_at, opened_seq)
select %(book_id)s, account_no, id, currency, normal_side, code, reference, metadata, %(recorded_at)s,
       opened_seq
  from unnest(%(numbers)s, %(ids)s, %(currencies)s, %(sides)s,
              %(codes)s, %(references)s, %(metadata)s, %(opened_seqs)s)
       as u(account_no, id, currency, normal_side, code, reference, metadata, opened_seq)
"""

INSERT_STATES: Final = """
insert into ledger.account_state
       (book_id, account_no, version, debits_posted, credits_posted, debits_pending, credits_pending,
        max_net_debit, max_net_credit, status, next_expiry)
select %(book_id)s, account_no, opened_seq, 0, 0, 0, 0, null, null, 1, null
  from unnest(%(numbers)s, %(opened_seqs)s) as u(account_no, opened_seq)
"""

INSERT_ACCOUNT_METADATA: Final = """
insert into ledger.account_metadata (book_id, key, value, account_no)
select %(book_id)s, key, value, number
  from unnest(%(keys)s, %(values)s, %(numbers)s) as u(key, value, number)
"""

INSERT_TRANSFER_METADATA: Final = """
insert into ledger.transfer_metadata (book_id, key, value, seq)
select %(book_id)s, key, value, number
  from unnest(%(keys)s, %(values)s, %(numbers)s) as u(key, value, number)
"""

INSERT_CURRENCIES: Final = """
insert into ledger.currency (book_id, currency, exponent, first_used)
select %(book_id)s, currency, exponent, %(recorded_at)s
  from unnest(%(currencies)s, %(exponents)s) as u(currency, exponent)
    on conflict (book_id, currency) do nothing
"""

INSERT_HOLDS: Final = """
insert into ledger.hold
       (book_id, seq, debit_account_no, credit_account_no, amount, state, expires_at, resolved_seq)
select %(book_id)s, seq, debit, credit, amount, state, expires_at, resolved_seq
  from unnest(%(seqs)s, %(debits)s, %(credits)s, %(amounts)s,
              %(states)s, %(expiries)s, %(resolved)s)
       as u(seq, debit, credit, amount, state, expires_at, resolved_seq)
"""

UPDATE_HOLDS: Final = """
update ledger.hold h
   set state = u.state,
       resolved_seq = u.resolved_seq
  from unnest(%(seqs)s, %(states)s, %(resolved)s) as u(seq, state, resolved_seq)
 where h.book_id = %(book_id)s
   and h.seq = u.seq
"""

UPSERT_REVERSALS: Final = """
insert into ledger.reversal (book_id, original_seq, amount)
select %(book_id)s, original_seq, amount
  from unnest(%(originals)s, %(amounts)s) as u(original_seq, amount)
    on conflict (book_id, original_seq) do update
   set amount = excluded.amount
"""

INSERT_REFUSALS: Final = """
insert into ledger.refusal (book_id, id, is_transaction, reason, refused_at)
select %(book_id)s, id, is_transaction, reason, %(recorded_at)s
  from unnest(%(ids)s, %(kinds)s, %(reasons)s) as u(id, is_transaction, reason)
    on conflict (book_id, id, is_transaction) do nothing
"""

INSERT_TRANSACTIONS: Final = """
insert into ledger.transaction
       (book_id, first_seq, last_seq, id, recorded_at, postings, effective_at, code, reference, metadata,
        template, beyond_limits)
select %(book_id)s, first_seq, last_seq, id, %(recorded_at)s, postings, effective_at, code, reference,
       metadata, template, beyond_limits
  from unnest(%(firsts)s, %(lasts)s, %(ids)s, %(postings)s,
              %(effective)s, %(codes)s, %(references)s, %(metadata)s,
              %(templates)s, %(beyond)s)
       as u(first_seq, last_seq, id, postings, effective_at, code, reference, metadata, template,
            beyond_limits)
"""

ADD_EFFECTIVE_DAYS: Final = """
insert into ledger.effective_day as e (book_id, account_no, day, debits, credits)
select %(book_id)s, account_no, day, debits, credits
  from unnest(%(numbers)s, %(days)s, %(debits)s, %(credits)s)
       as u(account_no, day, debits, credits)
    on conflict (book_id, account_no, day) do update
   set debits = e.debits + excluded.debits,
       credits = e.credits + excluded.credits
"""

INSERT_BATCH: Final = """
insert into ledger.batch (book_id, last_seq, recorded_at)
values (%(book_id)s, %(seq)s, %(recorded_at)s)
"""

UPDATE_HEAD: Final = """
update ledger.book_head
   set seq = %(seq)s,
       recorded_at = %(recorded_at)s,
       next_account_no = %(next_account_no)s
 where book_id = %(book_id)s
"""
