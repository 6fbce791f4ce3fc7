"""Training sets of what was known then, in three lines of a notebook:

    from caudal.analytics import lab

    history = lab.open("lake")                                # an export, or a DSN of PostgreSQL
    table = history.training_set(maturity="30d")              # a pyarrow table; .to_pandas()

A row is a decision as it was made. Its features are those of the moment: of events that had become known by
then, in windows that end then; to the bit what was served. Its label is what became known of it within
`maturity`, and rows that are younger than that are left out, so that all have had the same time. Declines are
left out where nobody said anything of them: how they would have ended is not known.
"""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import pyarrow as pa

from caudal.analytics import values
from caudal.analytics.deriving import derived
from caudal.analytics.errors import TrainingSetInvalid
from caudal.analytics.sources import MAIN, Asked, ExportSource, PostgresSource, Source
from caudal.analytics.types import Rows, Wanted
from caudal.features import Feature, FeatureSet, problems, summed_series
from caudal.risk import BAD

LABELS: Final = (*sorted(kind.value for kind in BAD), "label.fraud")
"""What makes a row 1: kinds of labels, and sources of features' events whose ids are payments'."""

_TAKEN: Final = frozenset({"subject", "at", "known", "customer", "label", "labelled_at"})
_LONGEST_DAYS: Final = 3_660
_UNITS: Final = {"h": "hours", "d": "days"}


def open(where: str | Path, *, book: str | None = None) -> "Lab":
    """History to learn from: the directory of an export, or a database by DSN.

    `book` is by default the only one of an export, else `main`.

    Raises `ExportMissing`, `ExportDamaged`, `ExportNewer`, `BookNotFound`, and what psycopg raises.
    """
    text = str(where)
    if text.startswith(("postgresql://", "postgres://")) or "dbname=" in text:
        return Lab(PostgresSource(text, book or MAIN))
    return Lab(ExportSource(Path(where), book))


class Lab:
    """One book's history, as it was at every moment of it."""

    def __init__(self, source: Source) -> None:
        """Made by `open`."""
        self._source = source

    def __enter__(self) -> Self:
        """Closed when the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Let the files or the connection go."""
        self._source.close()

    def feature_set(self, version: int | None = None) -> FeatureSet:
        """Features as they were published, by default the newest. Raises `TrainingSetInvalid` for none."""
        text = self._source.feature_set(version)
        if text is None:
            raise TrainingSetInvalid("the book has no such feature set: declare features", field="features")
        return msgspec.json.decode(text, type=FeatureSet)

    def table(self, name: str) -> Any:
        """A whole table of an export, as a pyarrow table. Raises `TrainingSetInvalid` for an unknown one."""
        return self._source.table(name)

    def training_set(
        self,
        *,
        features: FeatureSet | Sequence[Feature] | int | None = None,
        labels: Sequence[str] = LABELS,
        maturity: str | dt.timedelta = "30d",
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
        as_of: dt.datetime | None = None,
        rows: Rows | str = Rows.DECISIONS,
    ) -> Any:
        """A pyarrow table: a row for each decision, in the order in which they were made.

        `features` is a set, or its published version, by default the newest. `labels` are kinds of labels,
        and sources of features' events, that make a row 1: the newest word that came in time counts.
        `since` (included) and `until` (excluded) bound the moment of the decision.
        `as_of` is when we look: nothing that became known later is in the set; by default the newest moment
        in the history. Columns: `subject`, `at`, `known`, `customer`, `amount`, `currency`, the features,
        `label`, `labelled_at`. Applications have no features: their columns are `subject`, `at`, `customer`,
        the values that they were decided on, `label`, `labelled_at`.

        Raises `TrainingSetInvalid` for features that cannot be published, and for what is no time.
        """
        of = _choice(rows)
        if of is Rows.APPLICATIONS and features is not None:
            raise TrainingSetInvalid("applications have values, and no features", field="features")
        declared = FeatureSet(features=()) if of is Rows.APPLICATIONS else self._declared(features)
        wanted = Wanted(
            rows=of,
            since_us=_us(since, "since"),
            until_us=_us(until, "until"),
            as_of_us=_us(as_of, "as_of"),
            maturity_us=_span(maturity) // dt.timedelta(microseconds=1),
            labels=tuple(labels),
        )
        with self._source.asked(wanted) as asked:
            table = asked.table
            columns = {"subject": table["subject"], "at": _moments(table["as_of_us"])}
            if of is Rows.APPLICATIONS:
                columns |= {"customer": table["customer"], **_values(table)}
            else:
                columns |= {name: table[name] for name in ("known", "customer", "amount", "currency")}
                columns |= _features(declared, asked)
            columns["label"] = table["label"].cast(pa.int8())
            columns["labelled_at"] = _moments(table["labelled_us"])
        return pa.table(columns)

    def _declared(self, features: FeatureSet | Sequence[Feature] | int | None) -> FeatureSet:
        if features is None or isinstance(features, int):
            return self.feature_set(features)
        declared = features if isinstance(features, FeatureSet) else FeatureSet(features=tuple(features))
        wrong = problems(declared)
        if wrong:
            raise TrainingSetInvalid(wrong[0][1], field=wrong[0][0])
        taken = _TAKEN | {"amount", "currency"}
        for number, feature in enumerate(declared.features):
            if feature.name in taken:
                raise TrainingSetInvalid(
                    "a column of every set has this name", field=f"features[{number}].name"
                )
        return declared


def _features(declared: FeatureSet, asked: Asked) -> dict[str, Any]:
    """Their columns, in the order in which they were declared."""
    count, moments, own = asked.table.num_rows, asked.table["as_of_us"], asked.table["amount"]
    made = {
        feature.name: derived(feature, asked.parts(feature), count, moments, own)
        # Those of one series one after another: they are made of the same sums.
        for feature in sorted(declared.features, key=lambda each: repr(summed_series(each)))
    }
    return {feature.name: made[feature.name] for feature in declared.features}


def _values(table: Any) -> dict[str, Any]:
    """What applications were decided on. Raises `TrainingSetInvalid` for a name that is in every set."""
    found = values.columns(table["facts"].to_pylist())
    for name in sorted(found.keys() & _TAKEN):
        raise TrainingSetInvalid(f"applications have a value {name}: a column of every set has this name",
                                 field="rows")  # fmt: skip
    return found


def _moments(us: Any) -> Any:
    return us.cast(pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def _choice(rows: Rows | str) -> Rows:
    try:
        return Rows(rows)
    except ValueError:
        raise TrainingSetInvalid(f"one of {', '.join(each.value for each in Rows)}", field="rows") from None


def _us(moment: dt.datetime | None, field: str) -> int | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise TrainingSetInvalid("a moment with its zone: datetime(…, tzinfo=UTC)", field=field)
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def _span(text: str | dt.timedelta) -> dt.timedelta:
    found = text if isinstance(text, dt.timedelta) else None
    if isinstance(text, str) and text[-1:] in _UNITS and text[:-1].isascii() and text[:-1].isdigit():
        found = dt.timedelta(**{_UNITS[text[-1]]: min(int(text[:-1]), _LONGEST_DAYS * 24)})
    if found is None or not dt.timedelta() <= found <= dt.timedelta(days=_LONGEST_DAYS):
        raise TrainingSetInvalid("hours or days: 12h, 30d", field="maturity")
    return found
