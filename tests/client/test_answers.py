"""What the API may answer, now and later, against what the client takes."""

import datetime as dt
from typing import Any, get_args

import msgspec
import pytest

from caudal import client
from caudal.client import Page, bodies, errors, reports, template_types, types
from support.documented import Contract, Json

ANSWERS: dict[str, Any] = {
    "Account": types.Account,
    "AccountEvent": reports.AccountEvent,
    "AccountPage": Page[types.Account],
    "Balance": types.Balance,
    "Batch": types.BatchResult,
    "Book": types.Book,
    "BookPage": Page[types.Book],
    "CodeTotals": reports.CodeTotals,
    "CurrencyTotals": reports.CurrencyTotals,
    "Definition": template_types.Definition,
    "Entry": reports.Entry,
    "EntryPage": Page[reports.Entry],
    "Fixed": template_types.Fixed,
    "ItemError": types.ItemError,
    "ItemResult": types.ItemResult,
    "Journal": reports.JournalPage,
    "JournalRow": reports.JournalRow,
    "Leg": template_types.Leg,
    "Line": reports.StatementLine,
    "Parameter": template_types.Parameter,
    "Percent": template_types.Percent,
    "Period": reports.Period,
    "PeriodPage": Page[reports.Period],
    "Posting": types.Posting,
    "Problem": errors.Problem,
    "Rest": template_types.Rest,
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
    "BatchItem": bodies.BatchItem,
    "IfVersion": types.IfVersion,
    "MoneyArgument": template_types.Money,
    "NewAccount": bodies.NewAccount,
    "NewBatch": bodies.Batch,
    "NewBook": bodies.NewBook,
    "NewLimit": bodies.NewLimit,
    "NewPeriod": bodies.NewPeriod,
    "NewTemplate": bodies.NewTemplate,
    "NewTransaction": bodies.NewTransaction,
    "NewTransfer": bodies.NewTransfer,
    "PostHold": bodies.PostHold,
    "PostingLine": types.Posting,
    "Reverse": bodies.Reverse,
    "VoidHold": bodies.VoidHold,
}

ENUMS: dict[str, Any] = {
    "AccountEventKind": types.AccountEventKind,
    "AccountStatus": types.AccountStatus,
    "Basis": types.Basis,
    "BookMode": types.BookMode,
    "HoldState": types.HoldState,
    "LimitRule": types.Limit,
    "ParameterType": template_types.ParameterType,
    "Remainder": types.Remainder,
    "Side": types.Side,
    "TransferKind": types.TransferKind,
}

NOT_OURS = {"Health"}


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


def test_every_schema_of_the_document_has_its_type(contract: Contract) -> None:
    schemas = contract.document["components"]["schemas"]

    assert schemas.keys() - NOT_OURS == ANSWERS.keys() | BODIES.keys() | ENUMS.keys()


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
        own = {"metadata", "parameters", "amounts"}
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
