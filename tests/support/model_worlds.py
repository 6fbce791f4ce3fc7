"""Small models of each kind, and books that have them."""

import functools
import struct
from typing import Any
from uuid import UUID

import msgspec

from caudal import events, models
from caudal.access import OPERATOR, Caller
from caudal.ledger import Ledger
from caudal.models import (
    Adverse,
    Axis,
    Card,
    Group,
    Histogram,
    Input,
    InputKind,
    Kind,
    Leak,
    Metric,
    ModelFile,
    Points,
    Prepared,
    Purpose,
    Registered,
    Scorecard,
    ServingVersion,
    Stage,
    Term,
    Terms,
    Training,
    artifact_of,
)
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.errors import CaudalError
from support.documented import refuse_undocumented
from support.histories import START
from support.ledgers import new_book

ANA = Caller(
    principal=msgspec.structs.replace(OPERATOR, id=UUID(int=21), actor="key_ana"), request_id="req_ana"
)
BEN = Caller(
    principal=msgspec.structs.replace(OPERATOR, id=UUID(int=22), actor="key_ben"), request_id="req_ben"
)

TRAINING = Training(
    rows=10_000, positives=200, data_hash="0" * 64, code_version="1.0", protocol="out of time, 80/20", seed=0
)
AMOUNT = Input(
    name="payment.amount", about="amount", low=0.0, high=100_000.0, typical=2_500, monotone=1,
    adverse=Adverse(code="A1", text="The amount is high for your account"),
)  # fmt: skip
COUNT = Input(
    name="features.card_count_1h", about="payments with this card in the last hour", low=0.0, high=30.0,
    typical=1, adverse=Adverse(code="A2", text="Too many recent payments"),
)  # fmt: skip
COUNTRY = Input(
    name="payment.country", about="country", kind=InputKind.CATEGORY, categories=("DE", "FR", "other"),
    unknown="other", typical="DE", adverse=Adverse(code="A3", text="The country of the payment"),
)  # fmt: skip
INPUTS = (AMOUNT, COUNT, COUNTRY)
ROW: models.Row = {AMOUNT.name: 20_000, COUNT.name: 12, COUNTRY.name: "FR"}


def card(kind: Kind = Kind.SCORECARD, **changes: Any) -> Card:
    """A card that passes the gate as it is."""
    fields: dict[str, Any] = {
        "name": "card-fraud",
        "about": "fraud with cards",
        "kind": kind,
        "purpose": Purpose.FRAUD,
        "inputs": INPUTS,
        "training": TRAINING,
        "metrics": {"auc": Metric(value=0.91, low=0.88, high=0.94)},
        "calibration_error": 0.01,
        "stability": 0.03,
        "groups": (Group(attribute="age", group="under 30", rows=500, approved=0.9, ratio=0.95),),
        "leaks": (Leak(name="chargeback_date", auc=1.0),),
        "score_histogram": Histogram(edges=(0.01, 0.1), counts=(8_000, 1_800, 200)),
    }
    return Card(**{**fields, **changes})


def points(shift: float = 0.0) -> Scorecard:
    """Log odds: the amount, the count, the country, and count and country together."""
    return Scorecard(
        intercept=-5.0 + shift,
        terms=(
            Term(
                axes=(Axis(input=AMOUNT.name, cuts=(1_000.0, 10_000.0)),), points=(0.0, 1.0, 2.5, 0.5),
                expected=0.4,
            ),
            Term(
                axes=(Axis(input=COUNT.name, cuts=(3.0, 10.0)),), points=(0.0, 0.5, 3.0, 0.25), expected=0.2
            ),
            Term(axes=(Axis(input=COUNTRY.name, groups=(0, 0, 1)),), points=(-0.5, 1.0, 0.0), expected=-0.1),
            Term(
                axes=(Axis(input=COUNT.name, cuts=(10.0,)), Axis(input=COUNTRY.name, groups=(0, 1, 1))),
                points=(0.0, 0.0, 0.0, 0.125, 0.75, 0.0, 0.0, 0.0, 0.0),
            ),
        ),
    )  # fmt: skip


def scorecard_file(shift: float = 0.0, **changes: Any) -> ModelFile:
    """A scorecard; with another `shift` another model."""
    return models.assemble(card(**changes), artifact_of(points(shift)))


def credit_file() -> ModelFile:
    """The same as points that are good: 600 at 50 to 1, 20 to double."""
    link = Points(base_points=600.0, base_odds=50.0, double_odds=20.0)
    terms = points().terms
    turned = tuple(
        Term(axes=term.axes, points=tuple(-20.0 * one for one in term.points), expected=-20.0 * term.expected)
        for term in terms
    )
    goodness = models.Direction.GOODNESS
    return models.assemble(
        card(name="loans", purpose=Purpose.CREDIT, link=link, direction=goodness),
        artifact_of(Scorecard(intercept=640.0, terms=turned)),
    )


@functools.cache
def lightgbm_text() -> bytes:
    """A text model on `INPUTS`, with a categorical split and missing values."""
    import lightgbm
    import numpy as np

    random = np.random.default_rng(0)
    rows = np.column_stack(
        [random.uniform(0, 100_000, 2_000), random.integers(0, 30, 2_000), random.integers(0, 3, 2_000)]
    ).astype(float)
    odds = rows[:, 0] / 50_000 + (rows[:, 2] == 2) * 2 + (rows[:, 1] > 10)
    labels = (odds + random.normal(size=2_000) > 2.5).astype(int)
    rows[::7, 1] = np.nan
    data = lightgbm.Dataset(rows, labels, categorical_feature=[2], free_raw_data=False)
    parameters = {
        "objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1, "seed": 0,
        "monotone_constraints": [1, 0, 0], "min_data_per_group": 10,
    }  # fmt: skip
    text: str = lightgbm.train(parameters, data, 20).model_to_string()
    return text.encode()


def lightgbm_file(**changes: Any) -> ModelFile:
    return models.assemble(card(Kind.LIGHTGBM, **changes), lightgbm_text())


def onnx_file(artifact: bytes | None = None, **changes: Any) -> ModelFile:
    """A logistic regression over two numbers, written by hand."""
    fields = {
        "inputs": (msgspec.structs.replace(AMOUNT, missing=0.0), msgspec.structs.replace(COUNT, missing=0.0))
    }
    made = card(Kind.ONNX, link=models.Probability(), **{**fields, **changes})
    return models.assemble(made, artifact or onnx_bytes())


def onnx_bytes(*, domain: str = "", kind: str = "Sigmoid", external: bool = False) -> bytes:
    """`Sigmoid(x · [1e-5, 0.1] - 2)` as an ONNX file: protobuf, field by field (onnx.proto)."""
    weights = _message((1, 2), (1, 1), (2, 1), (8, "w"), (9, struct.pack("<2f", 1e-5, 0.1)))
    if external:
        weights += _message((14, 1))
    bias = _message((1, 1), (2, 1), (8, "b"), (9, struct.pack("<f", -2.0)))
    nodes = (
        _message((1, "x"), (1, "w"), (2, "m"), (4, "MatMul")),
        _message((1, "m"), (1, "b"), (2, "s"), (4, "Add")),
        _message((1, "s"), (2, "p"), (4, kind), (7, domain)),
    )
    graph = _message(
        *((1, node) for node in nodes), (2, "g"), (5, weights), (5, bias), (11, _tensor("x", 2)),
        (12, _tensor("p", 1)),
    )  # fmt: skip
    return _message((1, 8), (7, graph), (8, _message((1, ""), (2, 17))))


def onnx_bomb(rows: int, columns: int) -> bytes:
    """`x · w + sum(zeros of rows x columns)`: a few bytes that ask for as much memory as they say."""
    shape = _message((1, 2), (2, 7), (8, "shape"), (9, struct.pack("<2q", rows, columns)))
    weights = _message((1, 2), (1, 1), (2, 1), (8, "w"), (9, struct.pack("<2f", 1e-5, 0.1)))
    whole = _message((1, "keepdims"), (3, 0), (20, 2))
    nodes = (
        _message((1, "x"), (1, "w"), (2, "m"), (4, "MatMul")),
        _message((1, "shape"), (2, "zeros"), (4, "ConstantOfShape")),
        _message((1, "zeros"), (2, "sum"), (4, "ReduceSum"), (5, whole)),
        _message((1, "m"), (1, "sum"), (2, "p"), (4, "Add")),
    )
    graph = _message(
        *((1, node) for node in nodes), (2, "g"), (5, weights), (5, shape), (11, _tensor("x", 2)),
        (12, _tensor("p", 1)),
    )  # fmt: skip
    return _message((1, 8), (7, graph), (8, _message((1, ""), (2, 17))))


def _tensor(name: str, columns: int) -> bytes:
    shape = _message((1, _message((2, "n"))), (1, _message((1, columns))))
    return _message((1, name), (2, _message((1, _message((1, 1), (2, shape))))))


def _message(*fields: tuple[int, int | str | bytes]) -> bytes:
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += _varint(number << 3) + _varint(value)
        else:
            content = value.encode() if isinstance(value, str) else value
            out += _varint(number << 3 | 2) + _varint(len(content)) + content
    return out


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


class ModelWorld:
    """A book and its models, on a clock that stands still. Ana registers, Ben approves."""

    def __init__(self, database: Database, book_id: int) -> None:
        self.database = database
        self.book_id = book_id
        self.clock = ManualClock(START)
        self.ledger = Ledger(self.clock)
        self.directory = models.Directory()

    @classmethod
    async def make(cls, database: Database) -> "ModelWorld":
        return cls(database, (await new_book(database)).book_id)

    async def register(self, file: ModelFile, *, caller: Caller = ANA) -> Registered:
        # As if measured on a quiet machine: gates are not to depend on what else runs beside the tests.
        measured = models.Measured(latency_us=5.0, latency_p99_us=9.0)
        async with self.database.transaction() as connection:
            return await models.register(
                connection, self.book_id, Prepared(file=file, measured=measured), caller=caller,
                ledger=self.ledger, at=self.clock.now(),
            )  # fmt: skip

    async def change(
        self, model: Registered, stage: Stage, *, caller: Caller = BEN, **more: Any
    ) -> Registered | CaudalError:
        async with self.database.transaction() as connection:
            return await models.change_stage(
                connection, self.book_id, model.id, stage, caller=caller, ledger=self.ledger,
                at=self.clock.now(), **more,
            )  # fmt: skip

    async def changed(self, model: Registered, stage: Stage, **more: Any) -> Registered:
        result = await self.change(model, stage, **more)
        assert isinstance(result, Registered), result
        return result

    async def champion(self, file: ModelFile) -> Registered:
        """A model that decides: registered, shadowed, promoted."""
        model = await self.register(file)
        await self.changed(model, Stage.SHADOW)
        return await self.changed(model, Stage.CHAMPION)

    async def roll_back(self, reason: str = "too many reviews") -> Registered | CaudalError:
        async with self.database.transaction() as connection:
            return await models.roll_back(
                connection, self.book_id, reason=reason, caller=BEN, ledger=self.ledger, at=self.clock.now()
            )

    async def set_terms(self, terms: Terms) -> ServingVersion | CaudalError:
        async with self.database.transaction() as connection:
            return await models.set_terms(
                connection, self.book_id, terms, caller=BEN, ledger=self.ledger, at=self.clock.now()
            )

    async def serving(self) -> models.Serving:
        async with self.database.connection() as connection:
            return await self.directory.load(connection, self.book_id)

    async def stage(self, model: Registered) -> Stage:
        async with self.database.connection() as connection:
            return (await models.get_model(connection, self.book_id, model.external_id)).stage

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """All events of the book, each as the document says."""
        async with self.database.connection() as connection:
            page = await events.find(connection, self.book_id)
        for event in page.events:
            refuse_undocumented(event)
        return [(event.type, msgspec.json.decode(event.data)) for event in page.events]

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            cursor = await connection.execute(statement.encode(), {"book_id": self.book_id})
            return await cursor.fetchall()
