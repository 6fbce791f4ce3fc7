"""The Python client: async and typed, over the HTTP API alone.

    import asyncio
    import os

    from caudal.client import Caudal, Side


    async def main() -> None:
        async with Caudal("http://127.0.0.1:8000", os.environ["CAUDAL_API_KEY"]) as caudal:
            cash = await caudal.accounts.open(currency="EUR", normal_side=Side.DEBIT)
            ana = await caudal.accounts.open(currency="EUR", normal_side=Side.CREDIT)
            await caudal.transfers.create(
                debit_account=cash.id, credit_account=ana.id, amount=10_50, currency="EUR"
            )
            print((await caudal.accounts.balance(ana.id)).balance)  # 1050


    asyncio.run(main())

Money is an int of minor units, nowhere a float. Writes are repeated under one idempotency key until there is
an answer; when there is none in the end, the caller can go on:

    try:
        transfer = await caudal.transfers.create(**wanted)
    except OutcomeUnknown as unknown:
        transfer = await caudal.transfers.create(**wanted, idempotency_key=unknown.idempotency_key)

Or make the id first, keep it, and let any process repeat the call with it: `id=new_transfer_id()`.

It imports nothing of the rest of Caudal, so it works against any deployment.

    CaudalError
    ├── Refused                     a final no: it moved no money
    │   ├── InvalidRequest     400, 405, 413, 415
    │   ├── Unauthenticated    401
    │   ├── Forbidden          403
    │   ├── NotFound           404
    │   ├── Conflict           409
    │   ├── Unprocessable      422
    │   └── TooManyRequests    429
    ├── Unavailable                 a read without an answer: 5xx, time-outs, lost connections
    │   └── OutcomeUnknown          a write without an answer: repeat it with its key
    └── UnexpectedAnswer            an answer that no Caudal gives
"""

from caudal.client.accounts import Accounts
from caudal.client.anomalies import (
    Anomalies,
    Anomaly,
    AnomalyBurst,
    AnomalyCounterparty,
    AnomalyDetector,
    AnomalyExplained,
    AnomalyFilter,
    AnomalyLevel,
    AnomalyPeriod,
    AnomalySilence,
    AnomalyStream,
    AnomalyStreamStanding,
    NewAnomalyStream,
)
from caudal.client.bodies import BatchItem, PostItem, ReversalItem, TransferItem, VoidItem
from caudal.client.books import Books, Periods
from caudal.client.cases import (
    Case,
    CaseDetail,
    CaseKind,
    CaseNote,
    CaseOccurrence,
    CaseOutcome,
    Cases,
    CaseSeverity,
    CaseState,
    CaseSubject,
    NewCase,
)
from caudal.client.caudal import Caudal
from caudal.client.customer_types import (
    Customer,
    CustomerStatus,
    CustomerType,
    Fee,
    Product,
    ProductLimit,
    Review,
    ReviewDefault,
)
from caudal.client.customers import Customers, Products
from caudal.client.decision_types import (
    DecisionBecause,
    DecisionExplanation,
    DecisionFallback,
    DecisionLink,
    DecisionOf,
    DecisionReason,
    DecisionRecord,
    DecisionReplay,
    DecisionShadow,
    FeatureAggregate,
    FeatureEntity,
    FeatureFilter,
    NewRiskEvent,
    PastPayment,
    PaymentReviewCase,
    RiskEventResult,
    RiskFeature,
    RiskFeatureSet,
    ServedFeature,
)
from caudal.client.decisions import Decisions, Features, Reviews
from caudal.client.disputes import Disputes, Refunds
from caudal.client.errors import (
    CaudalError,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    Problem,
    Refused,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnexpectedAnswer,
    Unprocessable,
)
from caudal.client.events import Event, Events
from caudal.client.ids import (
    new_account_id,
    new_customer_id,
    new_idempotency_key,
    new_payment_id,
    new_transaction_id,
    new_transfer_id,
)
from caudal.client.listing import Rows
from caudal.client.model_types import (
    Model,
    ModelComparison,
    ModelDifference,
    ModelDrift,
    ModelDriftBounds,
    ModelDrifts,
    ModelGate,
    ModelKind,
    ModelMeasured,
    ModelOutcome,
    ModelPurpose,
    ModelReason,
    ModelScore,
    ModelServing,
    ModelStage,
    ModelTerms,
)
from caudal.client.models import Models
from caudal.client.objectives import (
    NewObjective,
    ObjectiveIndicator,
    Objectives,
    ObjectiveSeverity,
    ObjectiveStanding,
    ServiceObjective,
)
from caudal.client.payment_types import (
    Attempt,
    AttemptState,
    Capture,
    CaptureMode,
    Decision,
    Dispute,
    DisputeState,
    Method,
    NextAction,
    Operation,
    PartState,
    Payment,
    PaymentContext,
    PaymentDetail,
    PaymentFailure,
    PaymentKind,
    PaymentReview,
    PaymentRoute,
    PaymentState,
    Refund,
    Retried,
    ReviewReason,
    WaitingFor,
)
from caudal.client.payments import Payments
from caudal.client.payouts import Payouts
from caudal.client.reports import (
    AccountEvent,
    CodeTotals,
    CurrencyTotals,
    Entry,
    JournalRow,
    Period,
    Statement,
    StatementLine,
    TrialBalance,
)
from caudal.client.retry import Retry
from caudal.client.risk import RiskLabel, RiskLabelKind, RiskLabels
from caudal.client.risk_rule_types import (
    ApplicationValue,
    NewRiskRules,
    ReviewVerdict,
    RiskRule,
    RiskRuleSet,
    RuleAmounts,
    RuleBacktest,
    RuleBacktestMatured,
    RuleChange,
    RuleCount,
    RuleExpected,
    RuleFault,
    RuleOutcome,
    RuleOverlap,
    RulePeriod,
    RuleRate,
    RuleReview,
    RuleSetState,
    RuleSnooze,
    RuleSnoozes,
    RuleStage,
    RuleStats,
    RuleStatsMatured,
    RuleSubject,
    RuleTest,
    RuleTested,
    RuleTests,
    RuleTried,
    StatsPeriod,
)
from caudal.client.risk_rules import RiskRules
from caudal.client.routing import Routing
from caudal.client.routing_types import (
    Drain,
    NewRules,
    Outage,
    PartnerHealth,
    Partners,
    PartnerStanding,
    RetryCause,
    RetryRule,
    RetryThen,
    Route,
    RoutedKind,
    RouteFigures,
    RouteHop,
    RouteShare,
    RoutingReport,
    Rule,
    RuleConditions,
    RuleProblem,
    RuleSet,
    Trial,
    TrialLine,
    Unserved,
)
from caudal.client.template_types import (
    Argument,
    Definition,
    Derived,
    Fixed,
    Leg,
    Money,
    Parameter,
    ParameterType,
    Percent,
    Rest,
    Share,
    Sum,
    Template,
    Weight,
    Whole,
)
from caudal.client.transactions import Templates, Transactions
from caudal.client.transfers import Transfers
from caudal.client.types import (
    Account,
    AccountEventKind,
    AccountStatus,
    Balance,
    Basis,
    BatchResult,
    Book,
    BookMode,
    HoldState,
    IfVersion,
    ItemError,
    ItemResult,
    ItemStatus,
    Limit,
    Page,
    Posting,
    Remainder,
    RowType,
    Side,
    Transaction,
    Transfer,
    TransferDetail,
    TransferKind,
)
from caudal.client.webhook_endpoints import (
    WebhookAttempt,
    WebhookDeleted,
    WebhookDelivery,
    WebhookDeliveryDetail,
    WebhookDeliveryState,
    WebhookDisableReason,
    WebhookEndpoint,
    WebhookEndpoints,
    WebhookEndpointStatus,
    WebhookSecret,
    WebhookSignature,
    WebhooksReplayed,
)
from caudal.client.webhooks import InboundState, InboundWebhook, InboundWebhooks

__all__ = [
    "Account", "AccountEvent", "AccountEventKind", "AccountStatus", "Accounts", "Anomalies", "Anomaly",
    "AnomalyBurst", "AnomalyCounterparty", "AnomalyDetector", "AnomalyExplained", "AnomalyFilter",
    "AnomalyLevel", "AnomalyPeriod", "AnomalySilence", "AnomalyStream", "AnomalyStreamStanding",
    "ApplicationValue", "Argument", "Attempt", "AttemptState", "Balance", "Basis", "BatchItem", "BatchResult",
    "Book", "BookMode", "Books", "Capture", "CaptureMode", "Case", "CaseDetail", "CaseKind", "CaseNote",
    "CaseOccurrence", "CaseOutcome", "CaseSeverity", "CaseState", "CaseSubject", "Cases", "Caudal",
    "CaudalError", "CodeTotals", "Conflict", "CurrencyTotals", "Customer", "CustomerStatus", "CustomerType",
    "Customers", "Decision", "DecisionBecause", "DecisionExplanation", "DecisionFallback", "DecisionLink",
    "DecisionOf", "DecisionReason", "DecisionRecord", "DecisionReplay", "DecisionShadow", "Decisions",
    "Definition", "Derived", "Dispute", "DisputeState", "Disputes", "Drain", "Entry", "Event", "Events",
    "FeatureAggregate", "FeatureEntity", "FeatureFilter", "Features", "Fee", "Fixed", "Forbidden",
    "HoldState", "IfVersion", "InboundState", "InboundWebhook", "InboundWebhooks", "InvalidRequest",
    "ItemError", "ItemResult", "ItemStatus", "JournalRow", "Leg", "Limit", "Method", "Model",
    "ModelComparison", "ModelDifference", "ModelDrift", "ModelDriftBounds", "ModelDrifts", "ModelGate",
    "ModelKind", "ModelMeasured", "ModelOutcome", "ModelPurpose", "ModelReason", "ModelScore", "ModelServing",
    "ModelStage", "ModelTerms", "Models", "Money", "NewAnomalyStream", "NewCase", "NewObjective",
    "NewRiskEvent", "NewRiskRules", "NewRules", "NextAction", "NotFound", "ObjectiveIndicator",
    "ObjectiveSeverity", "ObjectiveStanding", "Objectives", "Operation", "Outage", "OutcomeUnknown", "Page",
    "Parameter", "ParameterType", "PartState", "PartnerHealth", "PartnerStanding", "Partners", "PastPayment",
    "Payment", "PaymentContext", "PaymentDetail", "PaymentFailure", "PaymentKind", "PaymentReview",
    "PaymentReviewCase", "PaymentRoute", "PaymentState", "Payments", "Payouts", "Percent", "Period",
    "Periods", "PostItem", "Posting", "Problem", "Product", "ProductLimit", "Products", "Refund", "Refunds",
    "Refused", "Remainder", "Rest", "Retried", "Retry", "RetryCause", "RetryRule", "RetryThen",
    "ReversalItem", "Review", "ReviewDefault", "ReviewReason", "ReviewVerdict", "Reviews", "RiskEventResult",
    "RiskFeature", "RiskFeatureSet", "RiskLabel", "RiskLabelKind", "RiskLabels", "RiskRule", "RiskRuleSet",
    "RiskRules", "Route", "RouteFigures", "RouteHop", "RouteShare", "RoutedKind", "Routing", "RoutingReport",
    "RowType", "Rows", "Rule", "RuleAmounts", "RuleBacktest", "RuleBacktestMatured", "RuleChange",
    "RuleConditions", "RuleCount", "RuleExpected", "RuleFault", "RuleOutcome", "RuleOverlap", "RulePeriod",
    "RuleProblem", "RuleRate", "RuleReview", "RuleSet", "RuleSetState", "RuleSnooze", "RuleSnoozes",
    "RuleStage", "RuleStats", "RuleStatsMatured", "RuleSubject", "RuleTest", "RuleTested", "RuleTests",
    "RuleTried", "ServedFeature", "ServiceObjective", "Share", "Side", "Statement", "StatementLine",
    "StatsPeriod", "Sum", "Template", "Templates", "TooManyRequests", "Transaction", "Transactions",
    "Transfer", "TransferDetail", "TransferItem", "TransferKind", "Transfers", "Trial", "TrialBalance",
    "TrialLine", "Unauthenticated", "Unavailable", "UnexpectedAnswer", "Unprocessable", "Unserved",
    "VoidItem", "WaitingFor", "WebhookAttempt", "WebhookDeleted", "WebhookDelivery", "WebhookDeliveryDetail",
    "WebhookDeliveryState", "WebhookDisableReason", "WebhookEndpoint", "WebhookEndpointStatus",
    "WebhookEndpoints", "WebhookSecret", "WebhookSignature", "WebhooksReplayed", "Weight", "Whole",
    "new_account_id", "new_customer_id", "new_idempotency_key", "new_payment_id", "new_transaction_id",
    "new_transfer_id",
]  # fmt: skip
