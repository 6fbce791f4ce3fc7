"""Answers: objects as Stripe writes them, with what was asked to be expanded in place of ids."""

from collections.abc import Callable
from typing import Any, Final

from caudal_sandbox.stripe import tokens, views, views_money
from caudal_sandbox.stripe.account import Account
from caudal_sandbox.stripe.errors import invalid
from caudal_sandbox.stripe.types import Charge, Dispute, Intent, Payout, Refund, Transaction

MAX_EXPAND: Final = 20
MAX_DEPTH: Final = 4

_EXPANDABLE: Final = frozenset(
    {
        "balance_transaction", "charge", "failure_balance_transaction", "latest_charge", "payment_intent",
        "payment_method", "source",
    }
)  # fmt: skip
_ALWAYS_THERE: Final = frozenset({"refunds", "balance_transactions", "customer", "destination", "review"})
"""May be asked for, and changes nothing: in the answer already, or nothing to expand."""


class Rendering:
    """Writes any object of the account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._by_prefix: dict[str, Callable[[str], Any]] = {
            "pi": account.intent,
            "ch": account.charge,
            "py": account.charge,
            "re": account.refund,
            "dp": account.dispute,
            "po": account.payout,
            "txn": account.transaction,
            "pm": account.method,
        }

    def object(self, row: Any) -> dict[str, Any]:
        """One object."""
        account = self._account
        match row:
            case Intent():
                return views.intent(account, row)
            case Charge():
                return views_money.charge(account, row)
            case Refund():
                return views_money.refund(row)
            case Dispute():
                return views_money.dispute(account, row)
            case Payout():
                return views_money.payout(row)
            case Transaction():
                return views_money.transaction(row, account.now())
            case tokens.Method():
                return views.payment_method(row, account.now())
        raise TypeError(type(row).__name__)

    def expanded(self, row: Any, paths: list[str]) -> dict[str, Any]:
        """One object with `paths` (`latest_charge.balance_transaction`) expanded. Raises `Refusal`."""
        rendered = self.object(row)
        self.expand(rendered, paths)
        return rendered

    def expand(self, rendered: dict[str, Any], paths: list[str]) -> None:
        """Expand `paths` in place; in lists they begin with `data.`. Raises `Refusal`."""
        if len(paths) > MAX_EXPAND:
            raise invalid(f"At most {MAX_EXPAND} properties can be expanded.", param="expand")
        for path in paths:
            steps = path.split(".")
            if len(steps) > MAX_DEPTH + (steps[0] == "data"):
                raise invalid(f"At most {MAX_DEPTH} levels can be expanded.", param="expand")
            self._walk(rendered, steps, path)

    def _walk(self, place: Any, steps: list[str], path: str) -> None:
        if not steps or place is None:
            return
        name, *rest = steps
        if isinstance(place, list):
            for item in place:
                self._walk(item, steps, path)
        elif name == "data" and isinstance(place, dict) and "data" in place:
            self._walk(place["data"], rest, path)
        elif isinstance(place, dict) and name in place and name in _EXPANDABLE:
            value = place[name]
            if isinstance(value, str):
                place[name] = self._by_id(value)
            self._walk(place[name], rest, path)
        elif isinstance(place, dict) and name in place and name in _ALWAYS_THERE:
            self._walk(place[name], rest, path)
        else:
            raise invalid(f"This property cannot be expanded ({path}).", param="expand")

    def _by_id(self, id: str) -> Any:
        find = self._by_prefix.get(id.partition("_")[0])
        return id if find is None else self.object(find(id))
