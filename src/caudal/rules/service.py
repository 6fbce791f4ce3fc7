"""Rule sets from draft to publication, and snoozes. Nothing here opens or commits a transaction.

async with database.transaction() as connection:
    draft = await rules.draft(connection, book_id, written, caller=author, ledger=ledger, at=clock.now())
    await rules.review(connection, book_id, draft.version, Verdict.ACCEPT, caller=reviewer, …)
    await rules.publish(connection, book_id, draft.version, caller=author, …)

What is refused leaves an audit record too: such refusals are results, so that the caller commits them.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Final

from caudal import audit, events, features
from caudal.access import Caller
from caudal.events import NewEvent
from caudal.features import FeatureSet, FeatureSetNotFound
from caudal.ledger import Ledger
from caudal.rules import checking, store
from caudal.rules.checking import Checked
from caudal.rules.errors import (
    FeatureInUse,
    OwnReview,
    Problem,
    RuleNotFound,
    RuleSetNotFound,
    RulesInvalid,
    RulesNotReviewed,
    RulesReviewed,
    RuleTestsFailed,
    SnoozeInvalid,
)
from caudal.rules.evaluating import NO_RULES, RuleSet
from caudal.rules.names import FEATURES, features_of
from caudal.rules.types import Review, ReviewVerdict, RiskRules, RuleTested, Snooze, Version
from caudal.rules.views import RiskRuleSetView, rule_set_told, rule_set_view, rule_told
from caudal_base.database import Connection
from caudal_base.errors import CaudalError, InvalidRequest

MAX_PAGE: Final = 1_000
_MOST_VERSIONS: Final = 2**31 - 1
MAX_SNOOZE: Final = dt.timedelta(days=366)


async def draft(
    connection: Connection,
    book_id: int,
    written: RiskRules,
    *,
    caller: Caller,
    ledger: Ledger,
    at: dt.datetime,
) -> Version | CaudalError:
    """Keep rules as the book's next version. The error is `RulesInvalid`, or `FeatureSetNotFound`.

    They speak of the feature set that they name, by default of the one in use. Raises `BookNotFound`.
    """
    written = checking.flat(written)
    refused: CaudalError | None = None
    version = number = 0
    reads: dict[str, str] = {}
    try:
        number, known = await _features(connection, book_id, written.feature_set)
        checked = checking.check_rules(written, known)
        if checked.problems:
            raise RulesInvalid(checked.problems)
        reads = {name: known[name] for name in checked.reads}
        recorded_at = await ledger.lock(connection, book_id)
        version = await store.insert(
            connection, book_id, written, feature_set=number, reads=reads, at=at,
            by=caller.principal.actor, author=caller.principal.id,
        )  # fmt: skip
    except (RulesInvalid, FeatureSetNotFound) as error:
        refused = error
    await _audit(connection, book_id, "rules.draft", _of(version), refused, "drafted", caller, at)
    if refused is not None:
        return refused
    kept = Version(
        version=version, rules=written, feature_set=number, reads=reads, created_at=at,
        created_by=caller.principal.actor, author=caller.principal.id,
    )  # fmt: skip
    await events.tell(connection, book_id, [_of_set(kept, "drafted", max(at, recorded_at))])
    return kept


async def review(
    connection: Connection, book_id: int, version: int, verdict: ReviewVerdict, *, caller: Caller,
    ledger: Ledger, at: dt.datetime, note: str | None = None,
) -> Version | CaudalError:  # fmt: skip
    """Accept or reject a draft, once, as somebody else than its author.

    The error is `RuleSetNotFound`, `OwnReview`, `RulesReviewed`, or `InvalidRequest` for a note that cannot
    be kept. Raises `BookNotFound`.
    """
    recorded_at = await ledger.lock(connection, book_id)
    found = await store.versions(connection, book_id, [version])
    refused: CaudalError | None = None
    if note is not None and (why := checking.text_fault(note, checking.MAX_NOTE)):
        refused = InvalidRequest(why, field="note")
    elif not found:
        refused = _not_found()
    elif found[0].author == caller.principal.id:
        refused = OwnReview("its author cannot review it: somebody else is to", field="version")
    elif found[0].review is not None:
        refused = RulesReviewed(f"{found[0].review.by} has reviewed it already", field="version")
    else:
        made = Review(verdict=verdict, at=at, by=caller.principal.actor, note=note)
        await store.review(connection, book_id, version, made)
    await _audit(connection, book_id, "rules.review", _of(version), refused, verdict.value, caller, at)
    if refused is not None:
        return refused
    (kept,) = await store.versions(connection, book_id, [version])
    await events.tell(connection, book_id, [_of_set(kept, "reviewed", max(at, recorded_at))])
    return kept


async def publish(
    connection: Connection, book_id: int, version: int, *, caller: Caller, ledger: Ledger, at: dt.datetime
) -> Version | CaudalError:
    """Let decisions go by a version, from the next batch on. To publish an older one is to go back to it.

    Its own tests are run, and its features must be those in use. The error is `RuleSetNotFound`,
    `RulesNotReviewed`, `RulesInvalid` or `RuleTestsFailed`. Raises `BookNotFound`.
    """
    # Nothing of a version changes: its tests are run while decisions go on.
    kept = await store.versions(connection, book_id, [version])
    failed = [one for each in kept for one in tests_of(each) if not one.passed]
    recorded_at = await ledger.lock(connection, book_id)
    found = await store.versions(connection, book_id, [version])
    before = await store.current(connection, book_id)
    refused: CaudalError | None = None
    if not found:
        refused = _not_found()
    else:
        _, in_use = await _features(connection, book_id, None)
        refused = _unpublishable(found[0], in_use)
    if refused is None and failed:
        refused = RuleTestsFailed(failed)
    if refused is None:
        await store.publish(connection, book_id, version, at, caller.principal.actor)
    await _audit(connection, book_id, "rules.publish", _of(version), refused, "published", caller, at)
    if refused is not None:
        return refused
    (now,), moment = await store.versions(connection, book_id, [version]), max(at, recorded_at)
    told = [_of_set(now, "published", moment)]
    if before is not None and before != version:
        replaced = await store.versions(connection, book_id, [before])
        told += [_of_set(one, "withdrawn", moment) for one in replaced]
    await events.tell(connection, book_id, told)
    return now


def _unpublishable(version: Version, in_use: Mapping[str, str]) -> CaudalError | None:
    """Why a version may not be published over the features `in_use`; None where it may."""
    if version.review is None:
        return RulesNotReviewed("nobody has reviewed it", field="version")
    if version.review.verdict is not ReviewVerdict.ACCEPT:
        return RulesNotReviewed(f"{version.review.by} has rejected it", field="version")
    missing = [
        Problem(field="feature_set", detail=f"{FEATURES}{name} is {_what(in_use.get(name), kind)}")
        for name, kind in version.reads.items()
        if in_use.get(name) != kind
    ]
    return RulesInvalid(missing) if missing else None


def _what(kind: str | None, expected: str) -> str:
    return "not in the feature set in use" if kind is None else f"now {kind}, and was {expected}"


def tests_of(version: Version) -> list[RuleTested]:
    """What comes of the tests of a version."""
    return checking.run_tests(version.rules, checking.check_rules(version.rules, version.reads))


async def get_version(connection: Connection, book_id: int, version: int | None = None) -> Version:
    """A rule set, by default the published one. Raises `RuleSetNotFound`."""
    number = await store.current(connection, book_id) if version is None else version
    found = [] if number is None else await store.versions(connection, book_id, [number])
    if not found:
        raise (
            RuleSetNotFound("no rule set is published", field="version") if version is None else _not_found()
        )
    return found[0]


async def shown(
    connection: Connection, book_id: int, version: Version, *, at: dt.datetime
) -> RiskRuleSetView:
    """A rule set as it is shown by itself: with what its tests say, and what of it is snoozed at `at`."""
    current = await store.current(connection, book_id)
    return rule_set_view(version, current, await list_snoozes(connection, book_id, at=at))


async def list_versions(
    connection: Connection, book_id: int, *, before: int | None = None, limit: int = 50
) -> tuple[list[Version], int | None]:
    """Up to `limit` versions below `before`, the newest first, and which one is published."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequest(f"a page has 1 to {MAX_PAGE} rows", field="limit")
    numbers = await store.latest(connection, book_id, before=before or 2**31 - 1, limit=limit)
    found = await store.versions(connection, book_id, numbers) if numbers else []
    return found, await store.current(connection, book_id)


async def load_published(connection: Connection, book_id: int) -> RuleSet:
    """The rules that decisions go by, compiled; `NO_RULES` where none are.

    They hold as long as nothing is published or snoozed: whoever decides keeps them so long.
    """
    number = await store.current(connection, book_id)
    return NO_RULES if number is None else await load_version(connection, book_id, number)


async def load_version(
    connection: Connection, book_id: int, version: int, *, snoozes: int | None = None
) -> RuleSet:
    """A version, compiled: as a decision knew it, where `snoozes` is the number that the decision kept.

    Version 0 is `NO_RULES`. Raises `RuleSetNotFound`.
    """
    if version == 0:
        return NO_RULES
    found = await get_version(connection, book_id, version)
    known = await store.snoozed(connection, book_id, snoozes)
    return RuleSet(version, found.rules, found.reads, found.feature_set, known)


async def compiled(connection: Connection, book_id: int, written: RiskRules) -> RuleSet:
    """Rules that nobody has kept, made ready for trying. Raises `RulesInvalid`, `FeatureSetNotFound`."""
    written = checking.flat(written)
    number, known = await _features(connection, book_id, written.feature_set)
    checked = checking.check_rules(written, known)
    if checked.problems:
        raise RulesInvalid(checked.problems)
    return RuleSet(0, written, {name: known[name] for name in checked.reads}, number)


async def try_tests(
    connection: Connection, book_id: int, written: RiskRules
) -> tuple[Checked, list[RuleTested]]:
    """What is wrong or odd about rules that nobody has kept; if nothing is wrong, what comes of their tests.

    Raises `FeatureSetNotFound`.
    """
    written = checking.flat(written)
    _, known = await _features(connection, book_id, written.feature_set)
    checked = checking.check_rules(written, known)
    return checked, [] if checked.problems else checking.run_tests(written, checked)


async def refuse_dropped(connection: Connection, book_id: int, declared: FeatureSet) -> None:
    """Refuse a feature set without what the published rules read: for whoever publishes feature sets.

    Raises `FeatureInUse`. Where such a set is published nevertheless, the features are missing, and the rules
    that need them do not fire.
    """
    number = await store.current(connection, book_id)
    if number is None:
        return
    (version,) = await store.versions(connection, book_id, [number])
    offered = features_of(declared)
    for name, kind in version.reads.items():
        if offered.get(name) != kind:
            gone = "would be gone" if name not in offered else f"would be {offered[name]}, and is {kind}"
            readers = ", ".join(_readers(version, name))
            raise FeatureInUse(f"{name} {gone}: rules read it ({readers})", field="features")


def _readers(version: Version, feature: str) -> list[str]:
    checked = checking.check_rules(version.rules, version.reads)
    return [
        rule.name
        for rule, expression in zip(version.rules.rules, checked.expressions, strict=True)
        if expression is not None and FEATURES + feature in expression.names
    ]


async def snooze(
    connection: Connection, book_id: int, rule: str, until: dt.datetime, reason: str, *, caller: Caller,
    ledger: Ledger, at: dt.datetime,
) -> Snooze | CaudalError:  # fmt: skip
    """Have a rule of the published set not fire before `until`, from the next batch on.

    It holds for the rule of that name in whichever version is published. The error is `RuleNotFound`, or
    `SnoozeInvalid`. Raises `BookNotFound`.
    """
    recorded_at = await ledger.lock(connection, book_id)
    refused: CaudalError | None = await _no_such_rule(connection, book_id, rule)
    if refused is None and not at < until <= at + MAX_SNOOZE:
        refused = SnoozeInvalid(f"up to {MAX_SNOOZE.days} days from now", field="until")
    if refused is None and (why := checking.text_fault(reason, checking.MAX_REASON)):
        refused = SnoozeInvalid(why, field="reason")
    made = None
    if refused is None:
        made = await store.snooze(connection, book_id, rule, until, reason, at, caller.principal.actor)
        await events.tell(connection, book_id, [_of_one(made, "snoozed", max(at, recorded_at))])
    await _audit(connection, book_id, "rules.snooze", _of_rule(rule), refused, "snoozed", caller, at)
    return refused or made or _not_found()


async def wake(
    connection: Connection, book_id: int, rule: str, reason: str, *, caller: Caller, ledger: Ledger,
    at: dt.datetime,
) -> Snooze | CaudalError:  # fmt: skip
    """Have a snoozed rule fire again, from the next batch on.

    The error is `RuleNotFound`, or `SnoozeInvalid` for one that is awake. Raises `BookNotFound`.
    """
    recorded_at = await ledger.lock(connection, book_id)
    refused: CaudalError | None = await _no_such_rule(connection, book_id, rule)
    asleep = [one for one in await store.snoozed(connection, book_id) if one.rule == rule and at < one.until]
    if refused is None and not asleep:
        refused = SnoozeInvalid("it is not snoozed", field="rule")
    if refused is None and (why := checking.text_fault(reason, checking.MAX_REASON)):
        refused = SnoozeInvalid(why, field="reason")
    made = None
    if refused is None:
        made = await store.snooze(connection, book_id, rule, at, reason, at, caller.principal.actor)
        await events.tell(connection, book_id, [_of_one(made, "woken", max(at, recorded_at))])
    await _audit(connection, book_id, "rules.wake", _of_rule(rule), refused, "awake", caller, at)
    return refused or made or _not_found()


async def list_snoozes(connection: Connection, book_id: int, *, at: dt.datetime) -> list[Snooze]:
    """What is snoozed at the moment `at`, by rule."""
    found = await store.snoozed(connection, book_id)
    return sorted((one for one in found if at < one.until), key=lambda one: one.rule)


async def _no_such_rule(connection: Connection, book_id: int, rule: str) -> RuleNotFound | None:
    number = await store.current(connection, book_id)
    found = [] if number is None else await store.versions(connection, book_id, [number])
    if found and any(one.name == rule for one in found[0].rules.rules):
        return None
    return RuleNotFound("the published rule set has no rule of this name", field="rule")


async def _features(connection: Connection, book_id: int, version: int | None) -> tuple[int, dict[str, str]]:
    """The number of a feature set, by default of the one in use, and its features with their types."""
    if version is not None and not 0 < version <= _MOST_VERSIONS:
        raise FeatureSetNotFound("the book has no feature set of this version", field="feature_set")
    try:
        found = await features.get_version(connection, book_id, version)
    except FeatureSetNotFound as missing:
        if version is None:
            return 0, {}
        raise FeatureSetNotFound(missing.detail, field="feature_set") from None
    return found.version, features_of(found.declared)


def _of_set(version: Version, what: str, at: dt.datetime) -> NewEvent:
    data = rule_set_told(version)
    return NewEvent(
        type=f"risk_rule_set.{what}", object_type="risk_rule_set", object_id=data.id, at=at, data=data
    )


def _of_one(made: Snooze, what: str, at: dt.datetime) -> NewEvent:
    data = rule_told(made)
    return NewEvent(type=f"risk_rule.{what}", object_type="risk_rule", object_id=data.id, at=at, data=data)


def _not_found() -> RuleSetNotFound:
    return RuleSetNotFound("the book has no rule set of this version", field="version")


def _of(version: int) -> str:
    return f"risk_rules@{version}"


def _of_rule(rule: str) -> str:
    return f"risk_rule:{rule[: checking.MAX_NAME]}".encode("ascii", "backslashreplace").decode()[:100]


async def _audit(
    connection: Connection, book_id: int, action: str, object_id: str, refused: CaudalError | None,
    done: str, caller: Caller, at: dt.datetime,
) -> None:  # fmt: skip
    record = audit.Record(
        book_id=book_id, at=at, principal=caller.principal.actor, action=action, object_id=object_id,
        request_id=caller.request_id, result=done if refused is None else refused.code, details={},
        origin=caller.origin,
    )  # fmt: skip
    await audit.append(connection, [record])
