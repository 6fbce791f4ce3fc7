"""What the tests of kill points ask the database: what is due, what is left, how it all ended."""

# Whether there is something to claim in a queue.
CLAIMABLE = """
select exists (
           select
             from jobs.job
            where book_id = %(book_id)s
              and queue = %(queue)s
              and state = 'ready'
              and run_at <= %(now)s
       )
"""

# What programs that are alive are doing or should be: what the dead hold only comes back with time.
BUSY_JOBS = """
select exists (
           select
             from jobs.job
            where book_id = %(book_id)s
              and (state = 'running' and (claim <> all (%(dead)s) or claimed_until <= %(now)s)
                   or state = 'ready' and run_at <= %(now)s)
       )
"""

BUSY_DELIVERIES = """
select exists (
           select
             from delivery.drive
            where book_id = %(book_id)s
              and active
              and (claim is not null and claim <> all (%(dead)s)
                   or claimed_until <= %(now)s
                   or claim is null
                      and through_seq < (select seq from events.head where book_id = %(book_id)s))
       ) or exists (
           select
             from delivery.delivery
             join delivery.drive using (book_id, endpoint_id)
            where book_id = %(book_id)s
              and active
              and claim is null
              and state = 'pending'
              and next_at <= %(now)s
       )
"""

# What stands there, in words.
LEFT = """
select 'transfer in the ledger'
  from ledger.transfer
 where book_id = %(book_id)s
   and not exists (select from payments.payment where book_id = %(book_id)s)
 union all
select 'payment ' || (data ->> 'state')
  from payments.payment
 where book_id = %(book_id)s
 union all
select (data ->> 'operation') || ' at ' || (data ->> 'partner') || ' ' || (data ->> 'state')
  from payments.attempt
 where book_id = %(book_id)s
 union all
select case state when 'running' then 'job held by the dead' else 'job ' || state end
  from jobs.job
 where book_id = %(book_id)s
   and (state = 'running' or state = 'ready' and run_at <= %(now)s)
 union all
select 'webhook ' || state
  from webhooks.inbound
 where book_id = %(book_id)s
 union all
select 'endpoint held by the dead'
  from delivery.drive
 where book_id = %(book_id)s
   and claim is not null
 union all
select 'delivery ' || state
  from delivery.delivery
 where book_id = %(book_id)s
"""

CLAIMS = """
select claim from jobs.job where book_id = %(book_id)s and state = 'running'
 union all
select claim from delivery.drive where book_id = %(book_id)s and claim is not null
"""

NEXT = """
select min(at)
  from (
        select coalesce(claimed_until, run_at) as at
          from jobs.job
         where book_id = %(book_id)s
           and state in ('ready', 'running')
         union all
        select claimed_until
          from delivery.drive
         where book_id = %(book_id)s
         union all
        select next_at
          from delivery.delivery
         where book_id = %(book_id)s
           and state = 'pending'
       ) as due
 where at > %(now)s
"""

# The endpoint is told of nothing that was before it.
TOLD = """
select id
  from events.event
 where book_id = %(book_id)s
   and seq > (select min(seq)
                from events.event
               where book_id = %(book_id)s
                 and type = 'webhook_endpoint.created')
"""

ENDED = """
select 'payment', (data ->> 'state'), count(*) from payments.payment where book_id = %(book_id)s group by 2
 union all
select 'attempt', (data ->> 'operation') || ' ' || (data ->> 'partner') || ' ' || (data ->> 'state'), count(*)
  from payments.attempt
 where book_id = %(book_id)s
 group by 2
 union all
select 'event', type, count(*) from events.event where book_id = %(book_id)s group by 2
 union all
select 'webhook', state, count(*) from webhooks.inbound where book_id = %(book_id)s group by 2
 union all
select 'transfer', count(*)::text, 1 from ledger.transfer where book_id = %(book_id)s
 union all
select 'settlement', count(*)::text, 1 from payments.settlement where book_id = %(book_id)s
 union all
select 'dispute', (data ->> 'state'), count(*) from payments.dispute where book_id = %(book_id)s group by 2
 union all
select 'balance', a.reference || ' ' || s.debits_posted || ' ' || s.credits_posted || ' ' || s.debits_pending
                  || ' ' || s.credits_pending, 1
  from ledger.account as a
  join ledger.account_state as s on s.book_id = a.book_id and s.account_no = a.account_no
 where a.book_id = %(book_id)s
   and a.reference is not null
   and a.reference not like 'customer:%%'
"""

# When what a payment waits for runs out.
TIMER = "select max(run_at) from jobs.job where book_id = %(book_id)s and kind = 'payments.timer'"
