"""What the API may answer, now and later, against what the client takes."""

import datetime as dt
from typing import Any, get_args

import msgspec
import pytest

from caudal import client
from caudal.client import (
    Page,
    anomalies,
    bodies,
    cases,
    customer_types,
    customers,
    decision_types,
    errors,
    events,
    model_types,
    objectives,
    payment_bodies,
    payment_types,
    reports,
    risk,
    risk_rule_types,
    routing_types,
    template_types,
    types,
    webhook_endpoints,
    webhooks,
)
from support.documented import Contract, Json

ANSWERS: dict[str, Any] = {
    "DecisionRecord": decision_types.DecisionRecord,
    "DecisionRecordPage": Page[decision_types.DecisionRecord],
    "Explanation": decision_types.DecisionExplanation,
    "Feature": decision_types.RiskFeature,
    "Filter": decision_types.FeatureFilter,
    "Linked": decision_types.DecisionLink,
    "PastPayment": decision_types.PastPayment,
    "PaymentReviewCase": decision_types.PaymentReviewCase,
    "PaymentReviewCasePage": Page[decision_types.PaymentReviewCase],
    "Reason": decision_types.DecisionReason,
    "Replay": decision_types.DecisionReplay,
    "RiskEventResult": decision_types.RiskEventResult,
    "RiskEvents": decision_types.RiskEventResults,
    "RiskFeatureSet": decision_types.RiskFeatureSet,
    "RiskLabel": risk.RiskLabel,
    "RiskLabelPage": Page[risk.RiskLabel],
    "ServedFeature": decision_types.ServedFeature,
    "Shadow": decision_types.DecisionShadow,
    "Drift": model_types.ModelDrift,
    "DriftBounds": model_types.ModelDriftBounds,
    "Gate": model_types.ModelGate,
    "Measured": model_types.ModelMeasured,
    "Model": model_types.Model,
    "Contribution": model_types.ModelReason,
    "ModelComparison": model_types.ModelComparison,
    "ModelDifference": model_types.ModelDifference,
    "ModelScore": model_types.ModelScore,
    "ModelDrift": model_types.ModelDrifts,
    "ModelPage": Page[model_types.Model],
    "Serving": model_types.ModelServing,
    "ServingPage": Page[model_types.ModelServing],
    "Conditions": routing_types.RuleConditions,
    "Drain": routing_types.Drain,
    "Hop": routing_types.RouteHop,
    "Outage": routing_types.Outage,
    "PartnerStanding": routing_types.PartnerStanding,
    "Partners": routing_types.Partners,
    "PaymentRoute": payment_types.PaymentRoute,
    "Retried": payment_types.Retried,
    "Retry": routing_types.RetryRule,
    "Route": routing_types.Route,
    "RouteFigures": routing_types.RouteFigures,
    "RoutingReport": routing_types.RoutingReport,
    "Rule": routing_types.Rule,
    "RuleProblem": routing_types.RuleProblem,
    "RiskRule": risk_rule_types.RiskRule,
    "RuleAmounts": risk_rule_types.RuleAmounts,
    "RuleBacktest": risk_rule_types.RuleBacktest,
    "RuleBacktestMatured": risk_rule_types.RuleBacktestMatured,
    "RuleChange": risk_rule_types.RuleChange,
    "RuleCount": risk_rule_types.RuleCount,
    "RuleOverlap": risk_rule_types.RuleOverlap,
    "RulePeriod": risk_rule_types.RulePeriod,
    "RuleRate": risk_rule_types.RuleRate,
    "RuleStats": risk_rule_types.RuleStats,
    "RuleStatsMatured": risk_rule_types.RuleStatsMatured,
    "RuleTried": risk_rule_types.RuleTried,
    "RiskRuleSet": risk_rule_types.RiskRuleSet,
    "RiskRuleSetPage": Page[risk_rule_types.RiskRuleSet],
    "RuleFault": risk_rule_types.RuleFault,
    "RuleReview": risk_rule_types.RuleReview,
    "RuleSnooze": risk_rule_types.RuleSnooze,
    "RuleTest": risk_rule_types.RuleTest,
    "RuleTested": risk_rule_types.RuleTested,
    "RuleTests": risk_rule_types.RuleTests,
    "Snoozes": risk_rule_types.RuleSnoozes,
    "RuleSet": routing_types.RuleSet,
    "RuleSetPage": Page[routing_types.RuleSet],
    "Share": routing_types.RouteShare,
    "Trial": routing_types.Trial,
    "TrialLine": routing_types.TrialLine,
    "Unserved": routing_types.Unserved,
    "Account": types.Account,
    "AccountEvent": reports.AccountEvent,
    "AccountPage": Page[types.Account],
    "Attempt": payment_types.Attempt,
    "Balance": types.Balance,
    "Batch": types.BatchResult,
    "Book": types.Book,
    "BookPage": Page[types.Book],
    "Capture": payment_types.Capture,
    "CodeTotals": reports.CodeTotals,
    "Context": payment_types.PaymentContext,
    "CurrencyTotals": reports.CurrencyTotals,
    "Customer": customer_types.Customer,
    "CustomerPage": Page[customer_types.Customer],
    "Decision": payment_types.Decision,
    "Definition": template_types.Definition,
    "Dispute": payment_types.Dispute,
    "DisputePage": Page[payment_types.Dispute],
    "Entry": reports.Entry,
    "EntryPage": Page[reports.Entry],
    "Event": events.Event,
    "Events": events.EventPage,
    "Failure": payment_types.PaymentFailure,
    "Fee": customer_types.Fee,
    "Fixed": template_types.Fixed,
    "InboundWebhook": webhooks.InboundWebhook,
    "InboundWebhookPage": Page[webhooks.InboundWebhook],
    "WebhookAttempt": webhook_endpoints.WebhookAttempt,
    "WebhookDeleted": webhook_endpoints.WebhookDeleted,
    "WebhookDelivery": webhook_endpoints.WebhookDelivery,
    "WebhookDeliveryDetail": webhook_endpoints.WebhookDeliveryDetail,
    "WebhookDeliveryPage": Page[webhook_endpoints.WebhookDelivery],
    "WebhookEndpoint": webhook_endpoints.WebhookEndpoint,
    "WebhookEndpointPage": Page[webhook_endpoints.WebhookEndpoint],
    "WebhookSecret": webhook_endpoints.WebhookSecret,
    "WebhooksReplayed": webhook_endpoints.WebhooksReplayed,
    "ItemError": types.ItemError,
    "ItemResult": types.ItemResult,
    "Journal": reports.JournalPage,
    "JournalRow": reports.JournalRow,
    "Leg": template_types.Leg,
    "Limit": customer_types.ProductLimit,
    "Line": reports.StatementLine,
    "NextAction": payment_types.NextAction,
    "Parameter": template_types.Parameter,
    "Anomaly": anomalies.Anomaly,
    "AnomalyExplained": anomalies.AnomalyExplained,
    "AnomalyStream": anomalies.AnomalyStream,
    "AnomalyPage": Page[anomalies.Anomaly],
    "AnomalySilence": anomalies.AnomalySilence,
    "AnomalySilences": anomalies._Silences,
    "AnomalyStreamStanding": anomalies.AnomalyStreamStanding,
    "AnomalyStreams": anomalies._Streams,
    "Case": cases.Case,
    "CaseDetail": cases.CaseDetail,
    "CaseNote": cases.CaseNote,
    "CaseOccurrence": cases.CaseOccurrence,
    "CasePage": Page[cases.Case],
    "Objective": objectives.ServiceObjective,
    "ObjectiveStanding": objectives.ObjectiveStanding,
    "Objectives": objectives._Objectives,
    "Payment": payment_types.Payment,
    "PaymentDetail": payment_types.PaymentDetail,
    "PaymentPage": Page[payment_types.Payment],
    "PaymentReview": payment_types.PaymentReview,
    "Percent": template_types.Percent,
    "Period": reports.Period,
    "PeriodPage": Page[reports.Period],
    "Posting": types.Posting,
    "Problem": errors.Problem,
    "Product": customer_types.Product,
    "ProductPage": Page[customer_types.Product],
    "Refund": payment_types.Refund,
    "RefundPage": Page[payment_types.Refund],
    "Rest": template_types.Rest,
    "Review": customer_types.Review,
    "Statement": reports.Statement,
    "Sum": template_types.Sum,
    "Template": template_types.Template,
    "TemplatePage": Page[template_types.Template],
    "Transaction": types.Transaction,
    "Transfer": types.Transfer,
    "TransferDetail": types.TransferDetail,
    "TransferDetailPage": Page[types.TransferDetail],
    "TrialBalance": reports.TrialBalance,
    "Versions": types.IfVersion,
    "Weight": template_types.Weight,
    "Whole": template_types.Whole,
}
"""By the document's name: the struct that takes it."""

BODIES: dict[str, Any] = {
    "FeatureSet": decision_types.NewFeatureSet,
    "NewDecision": decision_types.NewDecision,
    "NewPaymentDecision": decision_types.NewPaymentDecision,
    "NewRiskEvent": decision_types.NewRiskEvent,
    "NewRiskEvents": decision_types.NewRiskEvents,
    "NewRiskLabel": risk.NewRiskLabel,
    "NewChallenge": model_types.NewModelChallenge,
    "NewModel": model_types.NewModel,
    "NewScoring": model_types.NewModelScoring,
    "NewPromotion": model_types.NewModelPromotion,
    "NewRollback": model_types.NewModelRollback,
    "Terms": model_types.ModelTerms,
    "NewBacktest": risk_rule_types.NewBacktest,
    "NewRuleReview": risk_rule_types.NewRuleReview,
    "NewSnooze": risk_rule_types.NewSnooze,
    "NewWake": risk_rule_types.NewWake,
    "RiskRules": risk_rule_types.NewRiskRules,
    "NewDrain": routing_types.NewDrain,
    "NewTrial": routing_types.NewTrial,
    "Rules": routing_types.NewRules,
    "ChangeWebhookEndpoint": webhook_endpoints.ChangeWebhookEndpoint,
    "NewWebhookEndpoint": webhook_endpoints.NewWebhookEndpoint,
    "ReplayWebhooks": webhook_endpoints.ReplayWebhooks,
    "RotateWebhookSecret": webhook_endpoints.RotateWebhookSecret,
    "BatchItem": bodies.BatchItem,
    "CaptureBody": payment_bodies.CapturePayment,
    "IfVersion": types.IfVersion,
    "IncrementBody": payment_bodies.IncrementPayment,
    "MoneyArgument": template_types.Money,
    "NewAccount": bodies.NewAccount,
    "NewBatch": bodies.Batch,
    "NewBook": bodies.NewBook,
    "NewCustomer": customers.NewCustomer,
    "NewCustomerProduct": customers.NewCustomerProduct,
    "NewLimit": bodies.NewLimit,
    "AnomalyBurst": anomalies.AnomalyBurst,
    "AnomalyCounterparty": anomalies.AnomalyCounterparty,
    "AnomalyLevel": anomalies.AnomalyLevel,
    "NewAnomalySilence": anomalies.NewAnomalySilence,
    "NewAnomalyStream": anomalies.NewAnomalyStream,
    "CaseClosing": cases.CaseClosing,
    "CaseReopening": cases.CaseReopening,
    "CaseSubject": cases.CaseSubject,
    "NewCase": cases.NewCase,
    "NewCaseAssignment": cases.NewCaseAssignment,
    "NewCaseNote": cases.NewCaseNote,
    "NewObjective": objectives.NewObjective,
    "NewPayment": payment_bodies.NewPayment,
    "NewPayout": payment_bodies.NewPayout,
    "NewPeriod": bodies.NewPeriod,
    "NewProduct": customers.NewProduct,
    "NewRefund": payment_bodies.NewRefund,
    "NewTemplate": bodies.NewTemplate,
    "NewTransaction": bodies.NewTransaction,
    "NewTransfer": bodies.NewTransfer,
    "PaymentContext": payment_types.PaymentContext,
    "PostHold": bodies.PostHold,
    "PostingLine": types.Posting,
    "Reverse": bodies.Reverse,
    "VoidHold": bodies.VoidHold,
}

ENUMS: dict[str, Any] = {
    "Aggregate": decision_types.FeatureAggregate,
    "Because": decision_types.DecisionBecause,
    "Entity": decision_types.FeatureEntity,
    "Fallback": decision_types.DecisionFallback,
    "LabelKind": risk.RiskLabelKind,
    "SubjectOf": decision_types.DecisionOf,
    "Kind": model_types.ModelKind,
    "Outcome": model_types.ModelOutcome,
    "Purpose": model_types.ModelPurpose,
    "Stage": model_types.ModelStage,
    "Verdict": risk_rule_types.RuleOutcome,
    "RuleSubject": risk_rule_types.RuleSubject,
    "ApplicationValue": risk_rule_types.ApplicationValue,
    "ReviewVerdict": risk_rule_types.ReviewVerdict,
    "RuleExpected": risk_rule_types.RuleExpected,
    "RuleSetState": risk_rule_types.RuleSetState,
    "RuleStage": risk_rule_types.RuleStage,
    "StatsPeriod": risk_rule_types.StatsPeriod,
    "Cause": routing_types.RetryCause,
    "Direction": routing_types.RoutedKind,
    "PartnerHealth": routing_types.PartnerHealth,
    "Then": routing_types.RetryThen,
    "AccountEventKind": types.AccountEventKind,
    "AccountStatus": types.AccountStatus,
    "AttemptState": payment_types.AttemptState,
    "Basis": types.Basis,
    "BookMode": types.BookMode,
    "CaptureMode": payment_types.CaptureMode,
    "CustomerStatus": customer_types.CustomerStatus,
    "CustomerType": customer_types.CustomerType,
    "DisputeState": payment_types.DisputeState,
    "HoldState": types.HoldState,
    "InboundState": webhooks.InboundState,
    "AnomalyPeriod": anomalies.AnomalyPeriod,
    "AnomalyDetector": anomalies.AnomalyDetector,
    "CaseKind": cases.CaseKind,
    "CaseOutcome": cases.CaseOutcome,
    "CaseSeverity": cases.CaseSeverity,
    "CaseState": cases.CaseState,
    "Indicator": objectives.ObjectiveIndicator,
    "Severity": objectives.ObjectiveSeverity,
    "DeliveryState": webhook_endpoints.WebhookDeliveryState,
    "DisableReason": webhook_endpoints.WebhookDisableReason,
    "EndpointStatus": webhook_endpoints.WebhookEndpointStatus,
    "Signature": webhook_endpoints.WebhookSignature,
    "LimitRule": types.Limit,
    "Method": payment_types.Method,
    "Operation": payment_types.Operation,
    "ParameterType": template_types.ParameterType,
    "PartState": payment_types.PartState,
    "PaymentKind": payment_types.PaymentKind,
    "PaymentState": payment_types.PaymentState,
    "Remainder": types.Remainder,
    "ReviewDefault": customer_types.ReviewDefault,
    "ReviewReason": payment_types.ReviewReason,
    "Side": types.Side,
    "TransferKind": types.TransferKind,
}

NOT_OURS = {"Health", "Receipt"}
"""Of machines: probes, and partners whose webhooks are received."""


def fields_of(struct: Any) -> set[str]:
    info = msgspec.inspect.type_info(struct)
    options = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    names: set[str] = set()
    for option in options:
        assert isinstance(option, msgspec.inspect.StructType)
        names |= {field.encode_name for field in option.fields}
        if option.tag_field is not None:
            names.add(option.tag_field)
    return names


def named_in(value: Any) -> set[str]:
    """The schemas that a part of the document refers to."""
    if isinstance(value, dict):
        own = {value["$ref"].rpartition("/")[2]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(named_in, value.values()))
    return set().union(*map(named_in, value)) if isinstance(value, list) else set()


def test_every_schema_of_a_request_or_an_answer_has_its_type(contract: Contract) -> None:
    """Those of events' contents alone have none: the client hands them on as they are."""
    components = contract.document["components"]
    schemas = components["schemas"]
    found: set[str] = set()
    new = named_in([contract.document["paths"], components.get("responses")])
    while new:
        found |= new
        new = named_in([schemas[name] for name in new if name in schemas]) - found

    assert found & schemas.keys() - NOT_OURS == ANSWERS.keys() | BODIES.keys() | ENUMS.keys()


@pytest.mark.parametrize("name", [*ANSWERS, *BODIES])
def test_a_type_has_the_fields_of_its_schema(contract: Contract, name: str) -> None:
    schema = contract.document["components"]["schemas"][name]

    assert fields_of({**ANSWERS, **BODIES}[name]) == set(schema["properties"])


@pytest.mark.parametrize("name", ANSWERS)
def test_only_what_an_answer_always_has_is_required(contract: Contract, name: str) -> None:
    schema = contract.document["components"]["schemas"][name]

    (info,) = msgspec.inspect.multi_type_info([ANSWERS[name]])

    assert isinstance(info, msgspec.inspect.StructType)
    required = {field.encode_name for field in info.fields if field.required}
    assert required <= set(schema.get("required", ()))


@pytest.mark.parametrize("name", ENUMS)
def test_an_enum_has_the_words_of_its_schema(contract: Contract, name: str) -> None:
    schema = contract.document["components"]["schemas"][name]

    assert {member.value for member in ENUMS[name]} == set(schema["enum"])


def examples(contract: Contract) -> list[tuple[str, Any, Any]]:
    """By operation: each example of an answer, and the type that takes it."""
    found = []
    for _, _, operation in contract.operations:
        for status, answer in operation["responses"].items():
            content = answer.get("content", {}).get("application/json")
            if content is None or status >= "400":
                continue
            name = content["schema"]["$ref"].rpartition("/")[2]
            if name not in NOT_OURS:
                found.append((operation["operationId"], content["example"], ANSWERS[name]))
    return found


def newer(value: Any) -> Any:
    """The same as a later API may say it: a field more in every object, but for those of the caller's own."""
    if isinstance(value, dict):
        own = {
            "metadata", "parameters", "amounts", "accounts", "routes", "burn_rates", "given", "facts",
            "features", "stored", "again", "card", "metrics", "least", "inputs", "missing", "subjects",
            "latency_us",
        }  # fmt: skip
        if "object_type" in value:
            own.add("data")  # of an event: whatever its object is
        said = {key: inner if key in own else newer(inner) for key, inner in value.items()}
        return {**said, "added_later": {"a": [1]}}
    if isinstance(value, list):
        return [newer(inner) for inner in value]
    return value


def test_answers_are_taken_as_documented_and_with_fields_that_come_later(contract: Contract) -> None:
    told = examples(contract)
    assert len(told) > 30
    for operation, example, type_ in told:
        taken = msgspec.convert(example, type_)
        assert msgspec.convert(newer(example), type_) == taken, operation


def test_a_word_that_comes_later_is_kept_as_it_is() -> None:
    transfer: Json = {
        "id": "tr_1", "seq": 1, "kind": "teleported", "debit_account": "acct_1", "credit_account": "acct_2",
        "amount": 1, "currency": "USD", "recorded_at": "2026-03-02T09:30:15.123456Z", "state": "frozen",
    }  # fmt: skip

    taken = msgspec.json.decode(msgspec.json.encode(transfer), type=client.Transfer)

    assert (taken.kind, taken.state) == ("teleported", "frozen")
    assert taken.kind not in list(client.TransferKind)
    assert taken.kind.name == "UNKNOWN"
    assert taken.recorded_at == dt.datetime(2026, 3, 2, 9, 30, 15, 123456, dt.UTC)
    assert msgspec.json.decode(msgspec.json.encode(taken), type=client.Transfer) == taken


def test_an_item_of_a_batch_makes_its_id_once_and_always_sends_it() -> None:
    item = client.VoidItem(pending_id="tr_1")

    assert msgspec.to_builtins(item) == {"type": "void_pending", "pending_id": "tr_1", "id": item.id}
    assert client.VoidItem(pending_id="tr_1").id != item.id
    assert len(get_args(client.BatchItem)) == 4
