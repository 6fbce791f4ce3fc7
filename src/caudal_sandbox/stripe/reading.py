"""Lists, as Stripe pages them, and the search over PaymentIntents, which lags behind."""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

from caudal_sandbox.messages import Request
from caudal_sandbox.store import Row
from caudal_sandbox.stripe import form
from caudal_sandbox.stripe.account import Account
from caudal_sandbox.stripe.errors import invalid, missing
from caudal_sandbox.stripe.form import Parameters, Shape
from caudal_sandbox.stripe.rendering import Rendering
from caudal_sandbox.stripe.types import Intent, Payout, Transaction

R = TypeVar("R", bound=Row)

PAGE: Final = 10
MAX_PAGE: Final = 100

_PAGING: Final[Shape] = {
    "created": {"gt": None, "gte": None, "lt": None, "lte": None},
    "ending_before": None,
    "expand": {"*": None},
    "limit": None,
    "starting_after": None,
}
SEARCH: Final[Shape] = {"expand": {"*": None}, "limit": None, "page": None, "query": None}

_TERM: Final = re.compile(
    r"""\s*(?:metadata\[(?P<q>["'])(?P<key>.+?)(?P=q)\]|(?P<field>amount|created|currency|customer|status))
        \s*(?P<op>:|[<>]=?)\s*
        (?:(?P<p>["'])(?P<text>.*?)(?P=p)|(?P<number>\d+))\s*""",
    re.VERBOSE,
)
_COMPARISONS: Final[dict[str, Callable[[int, int], bool]]] = {
    ":": lambda left, right: left == right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
}

_Test = Callable[[Intent], bool]


class Reading:
    """The calls that list and search."""

    def __init__(self, account: Account, rendering: Rendering, lag_s: Callable[[], float]) -> None:
        """`lag_s` says how far the search is behind, now."""
        self._account = account
        self._rendering = rendering
        self._lag_s = lag_s

    def intents(self, request: Request) -> dict[str, Any]:
        """PaymentIntents, of a customer."""
        given = _parameters(request, customer=None)
        customer = given.text("customer")
        found = _reversed(self._account.intents.find("customer", customer)) if customer else None
        return self._page(request, given, found or self._account.intents.newest_first())

    def charges(self, request: Request) -> dict[str, Any]:
        """Charges, of a PaymentIntent."""
        given = _parameters(request, payment_intent=None)
        intent = given.text("payment_intent")
        table = self._account.charges
        found = _reversed(table.find("intent", intent)) if intent else table.newest_first()
        return self._page(request, given, found)

    def refunds(self, request: Request) -> dict[str, Any]:
        """Refunds, of a PaymentIntent or a charge."""
        return self._page(request, *self._of_payment(request, self._account.refunds))

    def disputes(self, request: Request) -> dict[str, Any]:
        """Disputes, of a PaymentIntent or a charge."""
        return self._page(request, *self._of_payment(request, self._account.disputes))

    def payouts(self, request: Request) -> dict[str, Any]:
        """Payouts, by status, and by when they arrived."""
        given = _parameters(request, status=None, destination=None, arrival_date=_PAGING["created"])
        status = given.text("status")
        arrived = _within(given, "arrival_date")
        rows: Iterable[Payout] = (
            row
            for row in self._account.payouts.newest_first()
            if status in (None, row.status) and arrived(row.arrival)
        )
        return self._page(request, given, rows)

    def transactions(self, request: Request) -> dict[str, Any]:
        """Balance transactions, by payout, type, source or currency."""
        given = _parameters(request, payout=None, type=None, source=None, currency=None)
        payout, type, source = given.text("payout"), given.text("type"), given.text("source")
        currency = given.text("currency")
        if payout is not None:
            self._account.payout(payout)
        table = self._account.transactions
        rows: Iterable[Transaction] = (
            _reversed(table.find("source", source)) if source else table.newest_first()
        )
        return self._page(
            request,
            given,
            (
                row
                for row in rows
                if payout in (None, row.payout)
                and type in (None, row.type)
                and currency in (None, row.currency)
            ),
        )

    def events(self, request: Request) -> dict[str, Any]:
        """Events, by type."""
        given = _parameters(request, type=None, types={"*": None}, delivery_success=None)
        type = given.text("type")
        types = given.texts("types")
        rows = (
            row
            for row in self._account.events.newest_first()
            if type in (None, row.type) and (not types or row.type in types)
        )
        return self._page(request, given, rows, render=lambda row: row.body)

    def search(self, request: Request) -> dict[str, Any]:
        """PaymentIntents that fit a query, as of `lag_s` ago: what is younger is not seen."""
        given = Parameters(form.decode(request.query), SEARCH)
        tests = list(_tests(given.required("query")))
        limit = _limit(given)
        start = int(given.text("page") or "0")
        seen_until = self._account.world.clock.now() - self._lag_s()
        candidates = self._candidates(given.required("query"))
        fitting = (
            row for row in candidates if row.created <= seen_until and all(test(row) for test in tests)
        )
        rows = list(islice(fitting, start, start + limit + 1))
        answer: dict[str, Any] = {
            "object": "search_result",
            "data": [self._rendering.object(row) for row in rows[:limit]],
            "has_more": len(rows) > limit,
            "next_page": str(start + limit) if len(rows) > limit else None,
            "url": request.path,
        }
        self._rendering.expand(answer, given.texts("expand"))
        return answer

    def _candidates(self, query: str) -> Iterable[Intent]:
        """All that might fit: the attempt's own where the query names one."""
        match = re.search(r"""metadata\[["']attempt_id["']\]\s*:\s*["']([^"']*)["']""", query)
        if match is not None:
            return _reversed(self._account.intents.find("attempt", match.group(1)))
        return self._account.intents.newest_first()

    def _of_payment(self, request: Request, table: Any) -> tuple[Parameters, Iterable[Any]]:
        given = _parameters(request, payment_intent=None, charge=None)
        intent, charge = given.text("payment_intent"), given.text("charge")
        if intent is not None:
            self._account.intent(intent, param="payment_intent")
            return given, _reversed(table.find("intent", intent))
        if charge is not None:
            self._account.charge(charge)
            return given, _reversed(table.find("charge", charge))
        return given, table.newest_first()

    def _page(
        self,
        request: Request,
        given: Parameters,
        rows: Iterable[Any],
        *,
        render: Callable[[Any], Any] | None = None,
    ) -> dict[str, Any]:
        """One page of `rows`, which come newest first."""
        limit = _limit(given)
        created = _within(given, "created")
        rows = (row for row in rows if created(row.created))
        after, before = given.text("starting_after"), given.text("ending_before")
        if after is not None and before is not None:
            raise invalid("Give either `starting_after` or `ending_before`.", param="starting_after")
        if before is not None:
            newer = list(_until(rows, before))
            page, more = newer[-limit:], len(newer) > limit
        else:
            if after is not None:
                rows = _following(rows, after)
            page = list(islice(rows, limit + 1))
            page, more = page[:limit], len(page) > limit
        answer: dict[str, Any] = {
            "object": "list",
            "data": [(render or self._rendering.object)(row) for row in page],
            "has_more": more,
            "url": request.path,
        }
        self._rendering.expand(answer, given.texts("expand"))
        return answer


def _parameters(request: Request, **more: Any) -> Parameters:
    decoded = form.decode(request.query)
    for name in ("created", "arrival_date"):  # a time alone means that very second
        if isinstance(decoded.get(name), str):
            decoded[name] = {"gte": decoded[name], "lte": decoded[name]}
    return Parameters(decoded, {**_PAGING, **more})


def _limit(given: Parameters) -> int:
    limit = given.integer("limit")
    limit = PAGE if limit is None else limit
    if not 1 <= limit <= MAX_PAGE:
        raise invalid(f"limit must be between 1 and {MAX_PAGE}", param="limit")
    return limit


def _within(given: Parameters, name: str) -> Callable[[int], bool]:
    bounds = Parameters(given.nested(name), _PAGING["created"])
    low = [value for value in (bounds.integer("gte"), _plus(bounds.integer("gt"), 1)) if value is not None]
    high = [value for value in (bounds.integer("lte"), _plus(bounds.integer("lt"), -1)) if value is not None]
    return lambda at: all(at >= bound for bound in low) and all(at <= bound for bound in high)


def _plus(value: int | None, step: int) -> int | None:
    return None if value is None else value + step


def _reversed(rows: list[R]) -> Iterator[R]:
    return reversed(rows)


def _following(rows: Iterable[Any], id: str) -> Iterator[Any]:
    remaining = iter(rows)
    for row in remaining:
        if row.id == id:
            return remaining
    raise missing("object", id, param="starting_after")


def _until(rows: Iterable[Any], id: str) -> Iterator[Any]:
    for row in rows:
        if row.id == id:
            return
        yield row
    raise missing("object", id, param="ending_before")


def _tests(query: str) -> Iterator[_Test]:
    """The terms of a query in Stripe's search language, joined by AND; other joints are not simulated."""
    at = 0
    while at < len(query):
        term = _TERM.match(query, at)
        if term is None:
            raise invalid(f"We were unable to parse your search query at: {query[at:]}", param="query")
        yield _test(term)
        at = term.end()
        joint = re.compile(r"AND\s+", re.IGNORECASE).match(query, at)
        if joint is not None:
            at = joint.end()
        elif at < len(query):
            raise invalid(f"We were unable to parse your search query at: {query[at:]}", param="query")


def _test(term: re.Match[str]) -> _Test:
    key, field, operator = term["key"], term["field"], term["op"]
    wanted = term["text"] if term["text"] is not None else term["number"]
    if field in ("amount", "created"):
        if not wanted.isdigit():
            raise invalid(f"{field} is a number.", param="query")
        number, compare = int(wanted), _COMPARISONS[operator]
        return lambda row: compare(row.amount if field == "amount" else row.created, number)
    if operator != ":":
        raise invalid("Only numbers can be compared.", param="query")
    if key is not None:
        return lambda row: row.metadata.get(key) == wanted
    return lambda row: getattr(row, field) == wanted
