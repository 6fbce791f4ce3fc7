"""Which column is the outcome, and which of its values is the risk: told by words, and else asked about.

A model of the wrong column, or of the risk turned round, looks as good as a right one. So nothing is taken
that words or custom do not say: where both leave a doubt, `TargetUnclear` says what to name.
"""

import re
from typing import Final

import numpy as np

from caudal.training.errors import ColumnUnfit, TargetUnclear
from caudal.training.reading import as_text
from caudal.training.types import Column, ColumnKind, Table

_RARE: Final = 0.4
"""Of two values without a meaning the one with a smaller share is the risk: most people pay."""
_FEW: Final = 12
"""More different values make no outcome."""

_RISK: Final = re.compile(
    r"\b(bad|badly|late|loss|losses|npl|dpd|risky?|high risk|unpaid|unsettled|insolven\w*|bankrupt\w*|"
    r"default\w*|fraud\w*|delin\w*|\w*dlq\w*|arrears?|overdue|past due|churn\w*|declined?|rejected|"
    r"refused|denied|(charge|chg|chrg|write|written|wrote)d? ?off|chgoff|chargedoff|writeoff|impa(ye|id)\w*|"
    r"ausfall|ausgefallen|schlecht|betrug|moros\w*|fraude|illicit|suspicious|scam|chargebacks?|stolen|missed|failed|"
    r"failure|anomal\w*)\b"
)
_GOOD: Final = re.compile(
    r"\b(good|paid|repaid|payed|repay|repays|approved?|approval|accept\w*|credit ?worth\w*|creditability|"
    r"kredit|kreditwuerdig\w*|solven\w*|perform\w*|legit\w*|genuine|success\w*|normal|current|safe|settled|healthy|"
    r"eligib\w*|p i f|pif|low risk|no risk|ok|okay|valid|gut|bezahlt|zurueckgezahlt|clean|honest)\b"
)
_NEGATION: Final = re.compile(r"\b(not?|non|never|without|nicht|kein|keine|isnt|wasnt|un)\b")
_YES: Final = frozenset(
    {"1", "true", "yes", "y", "t", "ja", "j", "oui", "si", "sí", "sim", "positive", "pos"}
)
_NO: Final = frozenset(
    {"0", "-1", "false", "no", "n", "f", "nein", "non", "nao", "não", "negative", "neg", "none"}
)
_CERTAIN: Final = re.compile(r"^(target|label)$")
_OUTCOME: Final = re.compile(
    r"^(y|class|outcome|response)$|\b(target|label|class|outcome|status|y|response|good bad|bad good)\b"
)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BREAK: Final = re.compile(r"[\W_]+")


def find(table: Table, found: list[str]) -> str:
    """The column that is the outcome, with what was found of it. Raises `TargetUnclear`."""
    few = {name: values for name, column in table.columns.items() if (values := _values(column, _FEW + 1))}
    two = [name for name, values in few.items() if len(values) == 2]
    named = [name for name in two if _leaning(name) or _OUTCOME.search(_words(name))]
    risky = [name for name in two if any(_meaning(value) in {"risk", "good"} for value in few[name])]
    for choices, why in (
        ([name for name in two if _CERTAIN.match(_words(name))], "by its name"),
        ([name for name in named if _leaning(name) == "risk" or _is_outcome(name)], "by its name"),
        (named, "by its name"),
        (risky, "one of its values is a risk by its name"),
    ):
        if len(choices) == 1:
            found.append(f"The outcome is {choices[0]}: {why}.")
            return choices[0]
        if choices:
            raise _unclear(choices)
    _refuse_named(few)
    ends = {next(iter(table.columns)), list(table.columns)[-1]}
    plain = all(_meaning(value) in {"yes", "no"} for name in two for value in few[name])
    if len(two) == 1 and (plain or two[0] in ends):
        found.append(f"The outcome is {two[0]}: no other has two values.")
        return two[0]
    raise _unclear(two)


def risk_of(target: Column, wished: str | None, found: list[str]) -> str:
    """The value of an outcome that is the risk. Raises `ColumnUnfit`, `TargetUnclear`."""
    values = _values(target, 1_000)
    if wished is not None:
        fitting = [value for value in values if value.casefold() == wished.strip().casefold()]
        if not fitting:
            raise ColumnUnfit(
                f"{target.name} is never {wished!r}, but {', '.join(values[:8])}", field="positive"
            )
        return fitting[0]
    if len(values) < 2:
        said = f"always {values[0]}" if values else "always missing"
        raise ColumnUnfit(f"{target.name} is {said}: there is nothing to learn from it", field="target")
    if len(values) > 2:
        raise ColumnUnfit(
            f"{target.name} has {len(values):,} values ({', '.join(values[:8])}): say which is the risk with "
            "--positive; all others are none",
            field="target",
        )
    chosen, why = _risk_of_two(target, values)
    found.append(f"The risk is {target.name} = {chosen}: {why}.")
    return chosen


def _risk_of_two(target: Column, values: list[str]) -> tuple[str, str]:
    """Of two values, the frequent one first: the one that is the risk, and why."""
    meanings = [_meaning(value) for value in values]
    other = {values[0]: values[1], values[1]: values[0]}
    for meaning, turned, why in (
        ("risk", False, "by its name"),
        ("good", True, "the other is none by its name"),
    ):
        of_it = [value for value, each in zip(values, meanings, strict=True) if each == meaning]
        if len(of_it) == 1:
            return (other[of_it[0]], why) if turned else (of_it[0], why)
    share = _share(target, values[1])
    if sorted(str(each) for each in meanings) == ["no", "yes"]:
        yes, no = values[meanings.index("yes")], values[meanings.index("no")]
        leaning = _leaning(target.name)
        if leaning is not None:
            told = "what goes wrong" if leaning == "risk" else "what goes well"
            return (yes if leaning == "risk" else no), f"the column's name tells of {told}"
        if yes == values[1]:
            return yes, f"by custom, and it is the rarer one ({share:.1%} of the rows)"
    elif share <= _RARE:
        return values[1], f"it is the rarer one ({share:.1%} of the rows)"
    raise TargetUnclear(
        f"{target.name} is {values[0]} in {1 - share:.0%} of the rows and {values[1]} in the others: "
        f"say which is the risk, with --positive {values[0]} or --positive {values[1]}",
        field="positive",
    )


def values_of(column: Column) -> list[str]:
    """The different values, the most frequent first."""
    return _values(column, len(column.values) + 1)


def _values(column: Column, most: int) -> list[str]:
    """The different values, the most frequent first; none where there are more than so many."""
    if column.kind is ColumnKind.DATE:
        return []
    if column.kind is ColumnKind.CATEGORY:
        counts: dict[str, int] = {}
        for start in range(0, len(column.values), 10_000):
            for one in column.values[start : start + 10_000].tolist():
                if one is not None:
                    counts[one] = counts.get(one, 0) + 1
            if len(counts) > most:
                return []
        return sorted(counts, key=lambda one: (-counts[one], one))
    there = column.values[np.isfinite(column.values)]
    if len(np.unique(there[:10_000])) > most:
        return []
    numbers, amounts = np.unique(there, return_counts=True)
    if len(numbers) > most:
        return []
    return [as_text(float(numbers[place])) for place in np.argsort(-amounts, kind="stable")]


def _share(column: Column, value: str) -> float:
    """Of the values that are there, how many are this."""
    if column.kind is ColumnKind.CATEGORY:
        there = [one for one in column.values.tolist() if one is not None]
        return float(np.mean([one == value for one in there]))
    numbers = column.values[np.isfinite(column.values)]
    return float((numbers == float(value)).mean())


def _words(text: str) -> str:
    """In small letters with blanks between the words: `SeriousDlqin2yrs`, `not.fully.paid`, `CHGOFF`."""
    plain = text.strip().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    return _BREAK.sub(" ", _CAMEL.sub(" ", plain).lower().replace("'", "")).strip()


def _leaning(name: str) -> str | None:
    """Whether a column's name tells of the risk, or of its absence; None where it does neither, or both."""
    words = re.sub(r"(?<=[a-z])\d+", "", _words(name))
    return _told(words)


def _told(words: str) -> str | None:
    good, risk = _GOOD.search(words), _RISK.search(words)
    if good is not None and risk is not None:
        if good[0] in {"low risk", "no risk"}:
            return "good"
        return None
    if good is None and risk is None:
        return None
    first = (good or risk).start()  # type: ignore[union-attr]  # one of them is there
    negated = _NEGATION.search(words[:first]) is not None
    return "risk" if (risk is not None) != negated else "good"


def _meaning(value: str) -> str | None:
    """`risk`, `good`, `yes` or `no`; None for what has no meaning by itself."""
    plain = value.strip().casefold()
    if plain in _YES or plain == "1.0":
        return "yes"
    if plain in _NO or plain == "0.0":
        return "no"
    return _told(_words(value))


def _is_outcome(name: str) -> bool:
    return re.fullmatch(r"y|class|outcome|response", _words(name)) is not None


def _refuse_named(few: dict[str, list[str]]) -> None:
    """A column that is called an outcome, but has one value or several, is asked about before any other."""
    for name, values in few.items():
        if not (_leaning(name) == "risk" or _OUTCOME.search(_words(name))):
            continue
        if len(values) == 1 and (_CERTAIN.match(_words(name)) or _leaning(name) == "risk"):
            raise TargetUnclear(
                f"{name} is always {values[0]}, so it is no outcome: name another with --target",
                field="target",
            )
        if len(values) > 2 and any(_meaning(value) in {"risk", "good"} for value in values):
            raise TargetUnclear(
                f"{name} may be the outcome, with {len(values)} values ({', '.join(values[:8])}): say which "
                f"is the risk, with --target {name} --positive VALUE, and leave out rows whose outcome is "
                "still open",
                field="target",
            )


def _unclear(two: list[str]) -> TargetUnclear:
    return TargetUnclear(
        f"name the outcome with --target; with two values there are {', '.join(two[:12])}"
        if two
        else "no column has exactly two values: name the outcome with --target, and its risk with --positive",
        field="target",
    )
