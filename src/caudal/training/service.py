"""From a file to validated models with their report: what `caudal models train` does."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from caudal import models
from caudal.training import (
    cards,
    daily,
    describing,
    evaluating,
    histories,
    leaks,
    learners,
    own_sets,
    reading,
    roles,
    splits,
)
from caudal.training.boosting import credit_setting
from caudal.training.daily import Daily
from caudal.training.describing import Described
from caudal.training.errors import ColumnUnfit, DataTooSmall
from caudal.training.evaluating import Work
from caudal.training.splits import Split
from caudal.training.types import (
    BadRow,
    Candidate,
    Column,
    ColumnKind,
    Comparison,
    Division,
    Floats,
    Roles,
    Suspect,
    Table,
    Wishes,
)

LEAST_ROWS: Final = 200
_AGE_GROUPS: Final = 4

Progress = Callable[[str, int, int], None]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be trained, on what, and how."""

    path: Path
    purpose: models.Purpose
    name: str
    wishes: Wishes = Wishes()
    learners: tuple[str, ...] = ()
    """Empty: those of the purpose."""
    entities: histories.Entities | None = None
    """Of a file of payments: the columns that their histories go by; None: they are looked for."""
    described: Mapping[str, Described] = {}
    """What columns are, in words for reasons."""
    seeds: tuple[int, ...] = (0,)
    repeats: int | None = None
    threads: int = 1
    feature_set: int | None = None


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    order: Order
    table: Table
    roles: Roles
    names: tuple[str, ...]
    """The inputs after the checks."""
    division: Split
    suspects: tuple[Suspect, ...]
    candidates: tuple[Candidate, ...]
    comparisons: tuple[Comparison, ...]
    recommended: str
    """The learner to begin with."""
    files: tuple[models.ModelFile, ...]
    """In the order of the candidates."""
    rows: int
    positives: int
    time: Column | None
    features: tuple[Any, ...] = ()
    """The declarations of features that were made of a file of payments."""
    daily: Daily | None = None
    """Of a file of payments with a later test: what is found day by day with the recommended model."""

    def candidate(self, learner: str) -> Candidate:
        """The candidate of a learner."""
        return next(each for each in self.candidates if each.learner == learner)


def train(order: Order, progress: Progress) -> Trained:
    """Read, check, divide, train, measure. Raises the errors of this room.

    It takes seconds to minutes, all of it CPU: a server would do it in another process.
    """
    progress("Reading", 0, 0)
    table, wishes, simulated = _read(order)
    describing.require_known(order.described, table.columns)
    assigned = roles.assign(table, wishes, find_time=True)
    table, y = _with_outcome(table, assigned)
    found, assigned = _histories(table, assigned, order, simulated, y, wishes, progress)
    if found is not None:
        table, y = found.table, found.y
    division, assigned = _divided(table, y, assigned, order)
    time = None if assigned.time is None else table.columns[assigned.time]
    suspects = leaks.check(
        table, assigned.inputs, y, division.train, time=time, keep=wishes.keep, seed=order.seeds[0],
        in_company=found is None,
        told=lambda done, total: progress("Looking for leaks", done, total),
    )  # fmt: skip
    names = _inputs(table, assigned, suspects)
    work = Work(
        table=table,
        names=names,
        y=y,
        division=division,
        purpose=order.purpose,
        monotone={**dict.fromkeys(wishes.rising, 1), **dict.fromkeys(wishes.falling, -1)},
        groups={name: _grouped(table.columns[name]) for name in wishes.groups},
        seeds=order.seeds,
        threads=order.threads,
        shares=() if found is None else found.shares,
    )
    candidates = _candidates(work, order, progress)
    recommended, comparisons = _recommended(work, candidates)
    return Trained(
        order=order,
        table=table,
        roles=assigned,
        names=names,
        division=division,
        suspects=tuple(suspects),
        candidates=candidates,
        comparisons=comparisons,
        recommended=recommended,
        files=_files(order, work, assigned, candidates, suspects, found),
        rows=len(division.train),
        positives=int(y[division.train].sum()),
        time=time,
        features=() if found is None else found.features,
        daily=_daily(found, candidates, recommended, y, division),
    )  # fmt: skip


def _files(
    order: Order,
    work: Work,
    assigned: Roles,
    candidates: Sequence[Candidate],
    suspects: Sequence[Suspect],
    found: histories.Histories | None,
) -> tuple[models.ModelFile, ...]:
    """What the registry takes, of each candidate."""
    train = work.division.train
    return tuple(
        cards.file_of(
            each, name=_name(order.name, each.learner, candidates), purpose=order.purpose, table=work.table,
            target=assigned.target, positives=int(work.y[train].sum()), rows=len(train),
            division=work.division, time=None if assigned.time is None else work.table.columns[assigned.time],
            suspects=suspects, seed=order.seeds[0], feature_set=order.feature_set,
            about={f"features.{one.name}": one.about for one in (found.features if found else ())},
            described=order.described,
        )
        for each in candidates
    )  # fmt: skip


def _daily(
    found: histories.Histories | None,
    candidates: Sequence[Candidate],
    recommended: str,
    y: Any,
    division: Split,
) -> Daily | None:
    if found is None or division.division is not Division.OUT_OF_TIME:
        return None
    scores = next(each.scores for each in candidates if each.learner == recommended)
    return daily.measure(found.payers, y, scores, division.train, division.test)


def _read(order: Order) -> tuple[Table, Wishes, histories.Entities | None]:
    """The file, with what is known of its columns where it is one of ours."""
    wishes = order.wishes
    declared = dict.fromkeys(wishes.category, ColumnKind.CATEGORY)
    declared.update(dict.fromkeys(wishes.number, ColumnKind.NUMBER))
    table, wishes = own_sets.renamed(reading.read(order.path, declared=declared), wishes)
    simulated = own_sets.entities_of(table)
    if simulated is not None:
        table, wishes = own_sets.of_simulation(table, wishes)
    return table, wishes, simulated


def _with_outcome(table: Table, assigned: Roles) -> tuple[Table, Any]:
    """The rows whose outcome and time are there. Raises `DataTooSmall`."""
    y, bad = roles.outcomes(table, assigned)
    keep = np.isfinite(y)
    if assigned.time is not None:
        timeless = keep & ~np.isfinite(table.columns[assigned.time].values)
        bad += [BadRow(int(table.numbers[place]), "no time") for place in np.flatnonzero(timeless)]
        keep &= ~timeless
    table, y = _kept(table, y, keep, bad)
    return table, y.astype(np.int64)


def _with_amount(table: Table, y: Any, name: str) -> tuple[Table, Any]:
    """The payments whose amount is there. Raises `ColumnUnknown`, `ColumnUnfit`, `DataTooSmall`."""
    reading.require(table.columns, name)
    amounts = table.columns[name]
    if amounts.kind is not ColumnKind.NUMBER:
        raise ColumnUnfit(f"{name} holds no amounts: it is read as a {amounts.kind.value}", field=name)
    keep = np.isfinite(amounts.values)
    bad = [BadRow(int(table.numbers[place]), "no amount") for place in np.flatnonzero(~keep)]
    return _kept(table, y, keep, bad)


def _kept(table: Table, y: Any, keep: Any, bad: Sequence[BadRow]) -> tuple[Table, Any]:
    """The rows that `keep` says, without `bad` ones. Raises `DataTooSmall`."""
    if not keep.all():
        table, y = reading.take(table, keep, tuple(bad[: reading.NAMED_ROWS]), len(bad)), y[keep]
    if table.rows < LEAST_ROWS:
        raise DataTooSmall(f"{table.rows} rows; at least {LEAST_ROWS} are needed", field="data")
    return table, y


def _histories(
    table: Table,
    assigned: Roles,
    order: Order,
    known: histories.Entities | None,
    y: Any,
    wishes: Wishes,
    progress: Progress,
) -> tuple[histories.Histories | None, Roles]:
    """Of a file of payments its histories, and the roles of their columns."""
    if order.purpose is not models.Purpose.FRAUD:
        return None, assigned
    entities, unclear = order.entities or known, None
    if entities is None:
        entities, unclear = histories.find(table, assigned)
    if entities is None:
        more = () if unclear is None else (unclear,)
        return None, msgspec.structs.replace(assigned, found=(*assigned.found, *more))
    table, y = _with_amount(table, y, entities.amount)
    found = histories.build(table, assigned, entities, y, wishes, progress)
    return found, found.roles


def _divided(table: Table, y: Any, assigned: Roles, order: Order) -> tuple[Split, Roles]:
    """Training and test, and the inputs that are no other form of the time.

    Of folds, rows that are there twice are in one: else a model would be tested on what it was trained on.
    """
    time = None if assigned.time is None else table.columns[assigned.time]
    division = splits.split(y, time, order.wishes, order.repeats)
    if division.division is Division.OUT_OF_TIME:
        return division, _without_other_times(table, assigned, order.wishes)
    alike = splits.alike(table)
    if alike is None:
        return division, assigned
    more = table.rows - int(alike.max()) - 1
    said = f"{more:,} rows are the same as another in every column: such rows stay in one fold."
    return msgspec.structs.replace(division, alike=alike), msgspec.structs.replace(
        assigned, found=(*assigned.found, said)
    )


def _without_other_times(table: Table, assigned: Roles, wishes: Wishes) -> Roles:
    """Without numbers that rise with time: a model would learn the date."""
    if assigned.time is None:
        return assigned
    time = table.columns[assigned.time].values
    order = np.argsort(time, kind="stable")
    other = {
        name: f"another form of the time: it never falls while {assigned.time} rises"
        for name in assigned.inputs
        if table.columns[name].kind is ColumnKind.NUMBER
        and name not in wishes.keep
        and _never_falls(table.columns[name].values[order], time[order])
    }
    return msgspec.structs.replace(
        assigned,
        inputs=tuple(name for name in assigned.inputs if name not in other),
        left_out={**assigned.left_out, **other},
    )


def _never_falls(values: Floats, time: Floats) -> bool:
    """Judged between moments: within one, rows have no order."""
    if not np.all(np.isfinite(values)) or len(np.unique(values)) < 3:
        return False
    later = np.diff(time) > 0
    return bool(np.all(np.diff(values)[later] >= 0)) and later.sum() >= 10


def _inputs(table: Table, assigned: Roles, suspects: Sequence[Suspect]) -> tuple[str, ...]:
    """What is trained on. Dates are not: a model would learn the calendar, not the applicant."""
    out = {each.name for each in suspects if each.left_out}
    out |= set(roles.dates_as_inputs(table, assigned.inputs))
    names = tuple(name for name in assigned.inputs if name not in out)
    if not names:
        raise DataTooSmall("no column is left to train on", field="data")
    return names


def _grouped(column: Column) -> Any:
    """The groups of fairness: categories as they are, numbers in quarters unless they are few."""
    if column.kind is ColumnKind.CATEGORY:
        return column.values
    there = np.unique(column.values[np.isfinite(column.values)])
    if len(there) <= 8:
        return roles.texts_of(column)
    edges = np.unique(
        np.nanquantile(column.values, np.linspace(0, 1, _AGE_GROUPS + 1)[1:-1], method="nearest")
    )
    bounds = [f"{edge:g}" for edge in edges]
    labels = [
        f"below {bounds[0]}",
        *(f"{low} to below {high}" for low, high in itertools.pairwise(bounds)),
        f"{bounds[-1]} and above",
    ]
    places = np.searchsorted(edges, column.values, side="right")
    return np.array(
        [
            labels[place] if value == value else None
            for place, value in zip(places, column.values, strict=True)
        ],
        dtype=object,
    )


def _candidates(work: Work, order: Order, progress: Progress) -> tuple[Candidate, ...]:
    rows = len(work.division.train)
    setting = (
        evaluating.chosen_setting(work, progress)
        if order.purpose is models.Purpose.FRAUD
        else credit_setting(rows)
    )
    return tuple(
        evaluating.candidate(work, name, setting, progress)
        for name in learners.names(order.purpose, order.learners)
    )


def _recommended(work: Work, candidates: Sequence[Candidate]) -> tuple[str, tuple[Comparison, ...]]:
    """The best additive model, unless another's AUC is ahead for certain; and the others against it."""
    additive = [each for each in candidates if each.learner in learners.ADDITIVE]
    best = max(additive or candidates, key=lambda each: each.figures.auc.value)
    for other in candidates:
        if other is not best and evaluating.difference(work.y, other, best, work.division).low > 0:
            best = other
    return best.learner, tuple(
        Comparison(learner=each.learner, difference=evaluating.difference(work.y, each, best, work.division))
        for each in candidates
        if each is not best
    )


def _name(name: str, learner: str, candidates: Sequence[Candidate]) -> str:
    return name if len(candidates) == 1 else f"{name}-{learner}"
