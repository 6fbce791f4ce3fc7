"""What is wrong, given what was measured: pure. A rule turns figures into findings; all well is none."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final

from caudal.anomalies import Behind
from caudal.doctor.types import (
    MANY,
    Endpoint,
    Finding,
    Group,
    Open,
    Outage,
    Severity,
    Work,
)
from caudal.objectives import Severity as ObjectiveSeverity
from caudal.objectives import Watched
from caudal.risk import Behind as FeaturesBehind

OVERDUE_AFTER: Final = dt.timedelta(minutes=2)
"""A job that was due so long ago has nobody to do it: an idle worker looks four times a second."""

ABSENT_AFTER: Final = dt.timedelta(minutes=1)
"""Some periodic work begins every five seconds, whenever a worker runs."""

UNSETTLED_AFTER: Final = dt.timedelta(minutes=15)
"""Most unknown outcomes are known by the next question, within minutes."""

UNSETTLED_LONG: Final = dt.timedelta(hours=24)
"""Stripe, which is typical, keeps idempotency keys for 24 hours: then only a search or a person helps."""

REVIEW_AFTER: Final = dt.timedelta(hours=4)
"""A customer waits meanwhile; a review that nobody decides ends by itself after its time."""

BEHIND_AFTER: Final = dt.timedelta(minutes=10)
"""Streams are followed every ten seconds."""

FEATURES_BEHIND_AFTER: Final = dt.timedelta(minutes=5)
"""Payments are followed every five seconds; after a restart, some minutes' worth is read within seconds."""

UNEVALUATED_AFTER: Final = dt.timedelta(minutes=10)
"""An evaluation is a minute old; one that is older than this was of another time."""

FAILING_AFTER: Final = dt.timedelta(minutes=30)
"""An endpoint's restart or deployment is over by then."""


def in_words(span: dt.timedelta) -> str:
    """A length of time for people: `3 min`, `26 h`, `4 days`."""
    seconds = span.total_seconds()
    for size, unit, below in ((1, "s", 120), (60, "min", 7_200), (3_600, "h", 172_800)):
        if seconds < below:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


def quantity(count: int, one: str, several: str) -> str:
    """`1 job`, `7 jobs`, `more than 1,000 jobs`."""
    if count == 1:
        return f"1 {one}"
    return f"more than {MANY:,} {several}" if count > MANY else f"{count:,} {several}"


def work(found: Work, book: str, now: dt.datetime, *, running: bool) -> Iterable[Finding]:
    """Jobs that gave up, jobs that nobody does, and whether any worker is there.

    `running` is false where this system was started for the doctor alone: then nobody can be.
    """
    option = "--deployment" if not book else f"--book {book}"
    for group in found.dead:
        yield Finding(
            code="jobs_dead",
            severity=Severity.CRITICAL,
            subject=_subject(book, group.name),
            what=f"{quantity(group.count, 'job', 'jobs')} of kind {group.name} gave up; "
            "what has their key waits",
            since=group.oldest,
            count=group.count,
            remedy=f"caudal jobs list {option} shows why; then caudal jobs replay, or skip, with its id",
        )
    last = found.periodic_at or found.opened_at
    if not running or last is None:
        return
    # What is regular of the deployment itself is done hourly: that nobody is there, books say.
    if book and now - last > ABSENT_AFTER:
        yield Finding(
            code="worker_absent",
            severity=Severity.CRITICAL,
            subject=book or None,
            what="no worker has begun its regular work lately, so nothing is done in the background",
            since=last,
            remedy="start one: caudal worker; if one runs, see what it logs",
        )
        return
    for group in found.overdue:
        yield Finding(
            code="jobs_overdue",
            severity=Severity.WARNING,
            subject=_subject(book, group.name),
            what=f"{quantity(group.count, 'job', 'jobs')} of queue {group.name} should have begun "
            f"{in_words(now - group.oldest)} ago",
            since=group.oldest,
            count=group.count,
            remedy=f"caudal jobs backlog {option}; start another caudal worker if it grows. A queue "
            "named for a partner also waits where that partner is gone from the settings",
        )


def unsettled(found: Open, now: dt.datetime) -> Iterable[Finding]:
    """Attempts whose outcome is not known, by age."""
    for group in found.asked:
        yield Finding(
            code="attempts_asked_of_a_person",
            severity=Severity.WARNING,
            subject=_subject(group.book, group.name),
            what=f"of {quantity(group.count, 'call', 'calls')} to {group.name} "
            "only a person can say how they ended",
            since=group.oldest,
            count=group.count,
            remedy=f"caudal payments list --book {group.book} --state review, look at the partner's own "
            "records, then caudal payments approve or decline",
        )
    for group in found.unknown:
        age = now - group.oldest
        long = age > UNSETTLED_LONG
        yield Finding(
            code="attempts_unknown",
            severity=Severity.CRITICAL if long else Severity.WARNING,
            subject=_subject(group.book, group.name),
            what=f"{quantity(group.count, 'call', 'calls')} to {group.name} ended without an answer, "
            f"the oldest {in_words(age)} ago",
            since=group.oldest,
            count=group.count,
            remedy=(
                f"ask {group.name} about it: its idempotency keys may be forgotten by now"
                if long
                else f"Caudal keeps asking; see whether {group.name} answers, and its status page"
            ),
        )
    for group in found.begun:
        yield Finding(
            code="attempts_not_begun",
            severity=Severity.WARNING,
            subject=_subject(group.book, group.name),
            what=f"{quantity(group.count, 'call', 'calls')} to {group.name} should have been made "
            f"{in_words(now - group.oldest)} ago",
            since=group.oldest,
            count=group.count,
            remedy=f"see that a worker runs whose settings have the partner {group.name}",
        )


def reviews(group: Group | None, now: dt.datetime) -> Iterable[Finding]:
    """Payments that have waited for a person for long."""
    if group is not None and now - group.oldest > REVIEW_AFTER:
        yield Finding(
            code="payments_in_review",
            severity=Severity.WARNING,
            subject=group.book,
            what=f"{quantity(group.count, 'payment waits', 'payments wait')} for a person's decision, "
            f"the oldest for {in_words(now - group.oldest)}",
            since=group.oldest,
            count=group.count,
            remedy=f"caudal payments list --book {group.book} --state review; "
            "then caudal payments approve or decline",
        )


def overdue_cases(count: int, since: dt.datetime | None, book: str, now: dt.datetime) -> Iterable[Finding]:
    """Cases that should have been closed by now."""
    if since is not None:
        yield Finding(
            code="cases_overdue",
            severity=Severity.WARNING,
            subject=book,
            what=f"{quantity(count, 'case is', 'cases are')} overdue, the first for {in_words(now - since)}",
            since=since,
            count=count,
            remedy=f"caudal cases list --overdue --book {book}; then caudal cases assign or close",
        )


def anomalies_behind(found: Sequence[Behind], book: str, now: dt.datetime) -> Iterable[Finding]:
    """Streams of anomalies that do not keep up with the events of their book."""
    for one in found:
        if one.since is not None and now - one.since > BEHIND_AFTER:
            yield Finding(
                code="anomalies_behind",
                severity=Severity.WARNING,
                subject=f"{book}/{one.stream}",
                what=f"anomaly detection is {quantity(one.events, 'event', 'events')} behind: what became "
                f"known {in_words(now - one.since)} ago has not been looked at",
                since=one.since,
                count=one.events,
                remedy=f"caudal jobs list --book {book} shows whether anomalies.follow runs; start another "
                "caudal worker if it is slow",
            )


def features_behind(found: FeaturesBehind, book: str, now: dt.datetime) -> Iterable[Finding]:
    """Features and labels that do not keep up with what becomes of payments."""
    if found.since is not None and now - found.since > FEATURES_BEHIND_AFTER:
        yield Finding(
            code="features_behind",
            severity=Severity.WARNING,
            subject=book,
            what=f"features and labels are {quantity(found.events, 'event', 'events')} behind: what became "
            f"of payments and disputes in the last {in_words(now - found.since)} counts in no decision yet",
            since=found.since,
            count=found.events,
            remedy=f"caudal jobs list --book {book} shows whether risk.follow runs; start another "
            "caudal worker if it is slow. Decisions go on with what is known",
        )


def parked(groups: Sequence[Group]) -> Iterable[Finding]:
    """Partners' webhooks that could not be applied."""
    for group in groups:
        yield Finding(
            code="webhooks_parked",
            severity=Severity.CRITICAL,
            subject=_subject(group.book, group.name),
            what=f"{quantity(group.count, 'webhook', 'webhooks')} from {group.name} could not be applied",
            since=group.oldest,
            count=group.count,
            remedy=f"caudal webhooks in list --book {group.book} --state parked shows why; "
            "then caudal webhooks in replay",
        )


def endpoints(found: Sequence[Endpoint], now: dt.datetime) -> Iterable[Finding]:
    """Endpoints that get no webhooks, or nothing new."""
    for one in found:
        code = "endpoint_failing" if one.disabled is None else "endpoint_disabled"
        if one.behind:
            code = "endpoint_behind"
            what = "so much waits for another attempt that it gets nothing new"
            remedy = (
                f"caudal webhooks endpoints deliveries {one.id} --book {one.book} --state pending shows why; "
                "mend the endpoint: it then catches up by itself"
            )
        elif one.disabled is None:
            what = f"every delivery to it has failed for {in_words(now - one.since)}"
            remedy = (
                f"caudal webhooks endpoints show {one.id} --book {one.book}; mend the endpoint: "
                "deliveries are repeated"
            )
        else:
            why = "answered 410 Gone" if one.disabled == "gone" else "failed for too long"
            what = f"it was disabled, since it {why}"
            remedy = f"mend the endpoint, then caudal webhooks endpoints enable {one.id} --book {one.book}"
        yield Finding(
            code=code,
            severity=Severity.WARNING,
            subject=_subject(one.book, one.id),
            what=what,
            since=one.since,
            remedy=remedy,
        )


def outages(found: Sequence[Outage]) -> Iterable[Finding]:
    """Partners that are not called."""
    for one in found:
        if one.drained:
            yield Finding(
                code="partner_drained",
                severity=Severity.NOTICE,
                subject=_subject(one.book, one.partner),
                what=f"an operator has taken {one.partner} out of routing",
                since=one.since,
                remedy=f"caudal routing resume {one.partner} --book {one.book}, once it may be called again",
            )
        else:
            yield Finding(
                code="partner_unavailable",
                severity=Severity.CRITICAL,
                subject=_subject(one.book, one.partner),
                what=f"{one.partner} could not be called: {one.reason}",
                since=one.since,
                remedy=f"see its status page and its key in the settings; caudal routing drain {one.partner} "
                f"--book {one.book} --reason 'it cannot be called' sends payments elsewhere",
            )


def objectives(found: Sequence[Watched], book: str, now: dt.datetime, *, running: bool) -> Iterable[Finding]:
    """Objectives whose budget burns too fast, and whether anybody evaluates them."""
    for one in found:
        standing, objective = one.standing, one.version.objective
        if standing is None or standing.severity is None:
            continue
        if running and now - standing.evaluated_at > UNEVALUATED_AFTER:
            continue  # it says nothing of now; that no worker is there is found elsewhere
        page = standing.severity is ObjectiveSeverity.PAGE
        yield Finding(
            code="objective_burning",
            severity=Severity.CRITICAL if page else Severity.WARNING,
            subject=_subject(book, objective.name),
            what=f"{standing.bad:,} of {standing.total:,} were bad; of the budget of {objective.window_days} "
            f"days {standing.budget_left_basis_points / 100:.0f} % are left, and in the last hour it burned "
            f"{standing.burn_rates.get('1h', 0.0):g} times as fast as it may",
            since=standing.since,
            count=standing.bad,
            remedy=f"caudal objectives show {objective.name} --book {book}; what else is found here says why",
        )


def _subject(book: str, name: str) -> str:
    return f"{book}/{name}" if book else name
