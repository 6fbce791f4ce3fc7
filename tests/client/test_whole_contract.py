"""The client has a call for everything that the document offers."""

import contextlib
import datetime as dt
from collections.abc import AsyncIterable

from caudal.client import (
    AccountStatus,
    CaptureMode,
    CaseKind,
    CaseOutcome,
    CaseState,
    CaseSubject,
    Caudal,
    CustomerStatus,
    CustomerType,
    Definition,
    DisputeState,
    FeatureAggregate,
    FeatureEntity,
    Fixed,
    InboundState,
    Leg,
    Limit,
    Method,
    ModelGate,
    ModelTerms,
    NewAnomalyStream,
    NewCase,
    NewObjective,
    NewRiskEvent,
    NewRiskRules,
    NewRules,
    ObjectiveIndicator,
    PaymentContext,
    PaymentKind,
    Posting,
    Refused,
    RetryCause,
    RetryRule,
    RetryThen,
    ReviewVerdict,
    RiskFeature,
    RiskLabelKind,
    RiskRule,
    Route,
    RoutedKind,
    RouteHop,
    RouteShare,
    Rule,
    RuleConditions,
    RuleExpected,
    RuleOutcome,
    RuleTest,
    Side,
    VoidItem,
    WaitingFor,
    WebhookDeliveryState,
    WebhookSignature,
)
from support.client_settings import YESTERDAY, Setting
from support.documented import Contract

CARD_COUNT = RiskFeature(name="card_count_1h", by=[FeatureEntity.CARD], aggregate=FeatureAggregate.COUNT)
LOGIN = NewRiskEvent(id="1", source="login", event_at=YESTERDAY, entities={"device": "d-1"})
RISK_RULES = NewRiskRules(
    rules=[
        RiskRule(
            name="large",
            when="payment.amount > 100000",
            outcome=RuleOutcome.REVIEW,
            reason="A large amount",
            tests=[RuleTest(given={"payment": {"amount": 100001}}, expect=RuleExpected.FIRES)],
        )
    ]
)

RULES = NewRules(
    rules=[
        Rule(
            name="large",
            when=RuleConditions(kind=[RoutedKind.PAY_IN], currency=["EUR"], amount_from=100),
            to=RouteHop(
                split=[RouteShare(partner="stripe", weight=60), RouteShare(partner="bank", weight=40)]
            ),
            next=[RouteHop(route="spare")],
        ),
        Rule(name="default", to=RouteHop(partner="stripe")),
    ],
    routes={"spare": Route(to=RouteHop(partner="stripe"))},
    retries=[RetryRule(cause=RetryCause.SOFT_DECLINE, then=RetryThen.LATER, wait_s=60)],
)


async def test_every_operation_of_the_document_has_a_call(
    setting: Setting, caudal: Caudal, contract: Contract
) -> None:
    account, transfer, txn, book = (f"{kind}_{'7' * 32}" for kind in ("acct", "tr", "txn", "book"))
    day = YESTERDAY.date()
    posting = Posting(account=account, side=Side.DEBIT, amount=1, currency="USD")
    accounts, transfers, customers = caudal.accounts, caudal.transfers, caudal.customers
    customer, payment, payments = f"cus_{'7' * 32}", f"pay_{'7' * 32}", caudal.payments
    case, decision = f"case_{'7' * 32}", f"dec_{'7' * 32}"
    hooks, hook = caudal.webhook_endpoints, f"whe_{'7' * 32}"
    calls = {
        "create_book": caudal.books.create("some-book"),
        "list_books": _all(caudal.books.list()),
        "get_book": caudal.books.get(book),
        "create_template": caudal.templates.create(
            "t", Definition(legs=[Leg(account=account, side=Side.DEBIT, amount=Fixed(1, "USD"))])
        ),
        "list_templates": _all(caudal.templates.list()),
        "get_template": caudal.templates.get("t"),
        "get_trial_balance": caudal.trial_balance(),
        "close_period": caudal.periods.close(day),
        "list_periods": _all(caudal.periods.list()),
        "follow_journal": _all(caudal.journal(follow=False)),
        "open_account": accounts.open(currency="USD", normal_side=Side.DEBIT),
        "list_accounts": _all(accounts.list(status=AccountStatus.FROZEN)),
        "get_account": accounts.get(account),
        "limit_account": accounts.set_limit(account, limit=Limit.CREDITS_MUST_NOT_EXCEED_DEBITS),
        "freeze_account": accounts.freeze(account),
        "unfreeze_account": accounts.unfreeze(account),
        "close_account": accounts.close(account),
        "reopen_account": accounts.reopen(account),
        "get_balance": accounts.balance(account),
        "list_entries": _all(accounts.entries(account)),
        "get_statement": accounts.statement(account, from_day=day, through_day=day),
        "create_transfer": transfers.create(
            debit_account=account, credit_account=account, amount=1, currency="USD", beyond_limits=True
        ),
        "list_transfers": _all(transfers.list(account=account, recorded_from=YESTERDAY, group_seq=1)),
        "create_batch": transfers.batch([VoidItem(pending_id=transfer)]),
        "get_transfer": transfers.get(transfer),
        "post_transfer": transfers.post(transfer),
        "void_transfer": transfers.void(transfer),
        "reverse_transfer": transfers.reverse(transfer),
        "create_transaction": caudal.transactions.record([posting, posting]),
        "get_transaction": caudal.transactions.get(txn),
        "create_product": caudal.products.create("basic", currencies=["EUR"]),
        "list_products": _all(caudal.products.list()),
        "get_product": caudal.products.get("basic", version=1),
        "create_customer": customers.create(type=CustomerType.PERSON, product="basic", jurisdiction="DE"),
        "list_customers": _all(customers.list(status=CustomerStatus.BLOCKED)),
        "get_customer": customers.get(customer),
        "block_customer": customers.block(customer),
        "unblock_customer": customers.unblock(customer),
        "close_customer": customers.close(customer),
        "change_customer_product": customers.change_product(customer, "basic"),
        "create_payment": payments.create(
            kind=PaymentKind.PAY_IN,
            customer=customer,
            amount=1,
            currency="EUR",
            method=Method.CARD,
            instrument="pm_card_visa",
            capture=CaptureMode.MANUAL,
            context=PaymentContext(ip="203.0.113.7"),
            execute_at=YESTERDAY,
        ),
        "list_payments": _all(payments.list(waiting=WaitingFor.PERSON, created_from=YESTERDAY, amount=1)),
        "get_payment": payments.get(payment),
        "capture_payment": payments.capture(payment, amount=1, final=False),
        "increment_payment": payments.increment(payment, amount=2),
        "cancel_payment": payments.cancel(payment),
        "confirm_payment": payments.confirm(payment),
        "approve_payment": payments.approve(payment),
        "decline_payment": payments.decline(payment),
        "create_refund": payments.refund(payment, amount=1, reason="broken", metadata={"item": "4"}),
        "list_refunds": _all(payments.refunds(payment)),
        "get_refund": caudal.refunds.get(f"re_{'7' * 32}"),
        "create_payout": caudal.payouts.create(
            customer=customer, amount=1, currency="EUR", instrument="tok_bank_ok"
        ),
        "list_payouts": _all(caudal.payouts.list(customer=customer, page_size=1)),
        "list_disputes": _all(caudal.disputes.list(payment=payment, state=DisputeState.OPEN)),
        "get_dispute": caudal.disputes.get(f"dp_{'7' * 32}"),
        "create_rule_set": caudal.routing.create(RULES),
        "list_rule_sets": _all(caudal.routing.list(page_size=1)),
        "get_rule_set": caudal.routing.get("v1"),
        "publish_rule_set": caudal.routing.publish("v1"),
        "try_rules": caudal.routing.try_rules(RULES, created_from=YESTERDAY),
        "get_routing_report": caudal.routing.report(from_day=day, through_day=day),
        "list_partner_health": caudal.routing.partners(),
        "drain_partner": caudal.routing.drain("stripe", "maintenance"),
        "resume_partner": caudal.routing.resume("stripe"),
        "add_risk_label": caudal.labels.add(payment, RiskLabelKind.FRAUD),
        "list_risk_labels": _all(caudal.labels.list(subject=payment, kind=RiskLabelKind.FRAUD)),
        "decide_application": caudal.decisions.make("loan-1", {"income": 2_100}),
        "decide_payment": caudal.decisions.on_payment(
            "order-1", customer="user-1", amount=1_050, currency="EUR"
        ),
        "list_decisions": _all(caudal.decisions.list(outcome=RuleOutcome.REVIEW, page_size=1)),
        "get_decision": caudal.decisions.get(decision),
        "explain_decision": caudal.decisions.explain(decision),
        "replay_decision": caudal.decisions.replay(decision),
        "list_reviews": _all(caudal.reviews.list(page_size=1)),
        "get_review": caudal.reviews.get(payment),
        "publish_features": caudal.features.publish([CARD_COUNT]),
        "get_features": caudal.features.get(),
        "record_risk_events": caudal.features.record([LOGIN]),
        "register_model": caudal.models.register({"schema": 1}, b"points"),
        "list_models": _all(caudal.models.list(page_size=1)),
        "get_model": caudal.models.get("card-fraud@1"),
        "get_model_drift": caudal.models.drift("card-fraud"),
        "compare_model": caudal.models.compare("card-fraud"),
        "score_row": caudal.models.score("card-fraud", {"payment.amount": 20_000, "payment.country": None}),
        "shadow_model": caudal.models.shadow("card-fraud"),
        "challenge_model": caudal.models.challenge("card-fraud", share=10, override="an attack"),
        "promote_model": caudal.models.promote("card-fraud"),
        "retire_model": caudal.models.retire("card-fraud", override="an attack"),
        "get_model_serving": caudal.models.serving(),
        "set_model_terms": caudal.models.set_terms(
            ModelTerms(review_at=0.5, gate=ModelGate(least={"ap": 0.4}))
        ),
        "roll_back_model": caudal.models.roll_back("too many reviews"),
        "list_model_serving": _all(caudal.models.history(page_size=1)),
        "draft_risk_rules": caudal.rules.draft(RISK_RULES),
        "list_risk_rule_sets": _all(caudal.rules.list(page_size=1)),
        "get_risk_rule_set": caudal.rules.get("v1"),
        "review_risk_rules": caudal.rules.review("v1", ReviewVerdict.ACCEPT, note="fine"),
        "publish_risk_rules": caudal.rules.publish("v1"),
        "test_risk_rules": caudal.rules.test(RISK_RULES),
        "backtest_risk_rules": caudal.rules.backtest(RISK_RULES, made_from=YESTERDAY),
        "get_rule_stats": caudal.rules.stats(made_from=YESTERDAY),
        "list_rule_snoozes": caudal.rules.snoozes(),
        "snooze_rule": caudal.rules.snooze("large", until=YESTERDAY, reason="a sale"),
        "wake_rule": caudal.rules.wake("large", reason="over"),
        "list_objectives": caudal.objectives.list(),
        "get_objective": caudal.objectives.get("ledger_reads"),
        "set_objective": caudal.objectives.set(
            "ours",
            NewObjective(
                indicator=ObjectiveIndicator.ACCEPT_LATENCY,
                target_basis_points=9_900,
                within_ms=50,
                window_days=7,
                least_bad=3,
                enabled=False,
            ),
        ),
        "list_anomalies": _all(caudal.anomalies.list(entity="customer:ana", page_size=1)),
        "explain_anomaly": caudal.anomalies.explain(f"ano_{'7' * 32}"),
        "list_anomaly_streams": caudal.anomalies.streams(),
        "get_anomaly_stream": caudal.anomalies.stream("payments"),
        "declare_anomaly_stream": caudal.anomalies.declare("payments", NewAnomalyStream(entity="customer")),
        "list_anomaly_silences": caudal.anomalies.silences(),
        "silence_anomalies": caudal.anomalies.silence(
            stream="payments", until=YESTERDAY + dt.timedelta(days=9), reason="a sale"
        ),
        "open_case": caudal.cases.open(NewCase(kind=CaseKind.ALERT, key="k", title="Look at this")),
        "list_cases": _all(
            caudal.cases.list(state=CaseState.OPEN, subject=CaseSubject("customer", customer), page_size=1)
        ),
        "get_case": caudal.cases.get(case),
        "assign_case": caudal.cases.assign(case, "ana"),
        "note_case": caudal.cases.note(case, "seen"),
        "close_case": caudal.cases.close(case, CaseOutcome.RESOLVED, note="done"),
        "reopen_case": caudal.cases.reopen(case, due_at=YESTERDAY),
        "list_events": _all(caudal.events.list(type="payment.succeeded")),
        "get_event": caudal.events.get(f"evt_{'7' * 32}"),
        "list_inbound_webhooks": _all(caudal.webhooks_in.list(state=InboundState.PARKED)),
        "get_inbound_webhook": caudal.webhooks_in.get(f"whi_{'7' * 32}"),
        "replay_inbound_webhook": caudal.webhooks_in.replay(f"whi_{'7' * 32}"),
        "create_webhook_endpoint": hooks.create("https://shop.example/", types=["payment.*"], ordered=True),
        "list_webhook_endpoints": _all(hooks.list()),
        "get_webhook_endpoint": hooks.get(hook),
        "change_webhook_endpoint": hooks.change(hook, concurrency=3, description="the shop's"),
        "rotate_webhook_secret": hooks.rotate_secret(hook, overlap_s=60, signature=WebhookSignature.V1A),
        "test_webhook_endpoint": hooks.test(hook),
        "replay_webhook_deliveries": hooks.replay(hook, since=YESTERDAY, failed_only=True),
        "enable_webhook_endpoint": hooks.enable(hook),
        "disable_webhook_endpoint": hooks.disable(hook),
        "delete_webhook_endpoint": hooks.delete(hook),
        "list_webhook_deliveries": _all(hooks.deliveries(hook, state=WebhookDeliveryState.FAILED)),
        "get_webhook_delivery": hooks.delivery(hook, f"evt_{'7' * 32}"),
    }
    for operation, call in calls.items():
        with contextlib.suppress(Refused):  # whatever it answers: the network has checked the request
            await call
        assert setting.network.seen[-1].operation == operation

    of_machines = {"get_live", "get_ready", "get_metrics", "receive_webhook"}
    assert calls.keys() == {known["operationId"] for _, _, known in contract.operations} - of_machines


async def _all(rows: AsyncIterable[object]) -> list[object]:
    return [row async for row in rows]
