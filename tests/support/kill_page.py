"""The page of kill points: the tests write it from what they saw, and hold what they see against it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from support.kill_points import Moment, Point
from support.kill_steps import STEPS, Step
from support.kill_trials import Trial

PAGE = Path(__file__).parents[2] / "docs" / "operating" / "kill-points.md"

_COLUMNS = ("#", "killed", "left behind", "what helped", "the caller's repetition")

_COMMITS = {
    "ledger.desk.Desk._transact": "COMMIT of transaction A",
    "payments.desk.PaymentDesk._transact": "COMMIT of transaction A",
    "payments.handlers.Attempts._mark payments.attempt": "COMMIT: the attempt is `submitting`",
    "payments.handlers._Gathered._write payments.attempt": "COMMIT of transaction B",
    "webhooks.inbox.Inbox._run": "COMMIT: the webhook is stored",
    "webhooks.handlers._Applying._apply webhooks.apply": "COMMIT of transaction C",
    "payments.handlers.Asks.time_out payments.timer": "COMMIT: the timer has run",
    "payments.handlers.Asks.ask payments.ask": "COMMIT: what the partner answered is taken in",
    "jobs.upkeep.Upkeep._begin_periods": "COMMIT: a period begins",
    "payments.handlers.Settlements._fetch payments.settlements.all": "COMMIT: the settlement is posted",
    "payments.handlers.Settlements.periodic payments.settlements.all": "COMMIT: the job ends",
    "worker._repeatedly ledger.expire": "COMMIT: what is due has expired",
    "delivery.deliverer.Deliverer.disable": "COMMIT: the endpoint is disabled, and its owner told",
    "delivery.driving.Drive.run": "COMMIT: the claim is given up",
    "delivery.driving.Drive._step": "COMMIT: what was sent is recorded, what is next is read",
}
"""What each transaction is about, by the function that commits it."""

_EFFECTS = {
    "authorisation": "an authorisation", "cancel": "its cancellation", "capture": "a capture",
    "charge": "a charge", "dispute": "a dispute", "increment": "its increment", "payout_out": "a transfer",
    "refund": "a refund",
    "return": "its return", "settlement": "a settlement",
}  # fmt: skip

_PROGRAMS = {
    "api": "The API that a caller asks", "webhook": "The API that a partner tells", "worker": "The worker",
    "deliverer": "The worker's delivery",
}  # fmt: skip

_INTRODUCTION = """\
<!-- Made by `make kill-points`: do not edit. -->
# Kill points

What happens when a process dies, at every point at which something is committed, claimed or called.

A test takes each step of [the way of a payment](../concepts/payments.md), notes every COMMIT, every claim and
every call, and repeats the step once for each of them in a process of its own that kills itself there with
`SIGKILL`: before it; in a call, when the request has been sent and nothing of the answer has been read; and
after it. Then programs that know nothing of the dead run until nothing is left to do. Their clock is the
test's: it goes on when all of them wait. The tables say what was seen:

- *left behind*: what was new in the database when the process was dead; behind the semicolon, what had
  happened at the partner meanwhile;
- *what helped*: what the living did then, and how long after the death where they had to wait;
- *the caller's repetition*: how his request was answered when he sent it again with its `Idempotency-Key`, at
  the end. *Replayed* is the first answer, byte for byte; without it, the repetition did the work.

**In each of the {count} rows the end was the same as without the kill**: the states of the payment, of its
attempts and disputes; the balances of every account that is not a customer's; the numbers of transfers and
settlements; events by type. Each attempt had its effect at the partner at most once, the ledger's invariants
hold, and every event was delivered at least once. A single difference fails the test.

`make test` takes a few of the steps, and fails where their rows are not those below (how long it took aside).
`make kill-points` takes all and writes this page. [Simulation](simulation.md) kills at random what is killed
here by plan, and PostgreSQL too; [Recovery](recovery.md) says what is left for a person.

"""


class Row(msgspec.Struct, frozen=True):
    """What one kill showed, in words."""

    killed: str
    left: str
    helped: str
    repeated: str

    @property
    def timeless(self) -> "Row":
        """Without how long it took."""
        return msgspec.structs.replace(self, helped=re.sub(r"after [\d.]+ s ", "later ", self.helped))


def row(point: Point, trial: Trial) -> Row:
    """The row of a kill. Raises `KeyError` for a commit that nobody has described in `_COMMITS`."""
    left = trial.left + (f"; {trial.happened}" if trial.happened else "")
    return Row(_in_words(point), left, trial.recovery, trial.repeated)


def _in_words(point: Point) -> str:
    kind, _, what = point.label.partition(" ")
    match kind:
        case "commit":
            told = _COMMITS[what]
        case "claim":
            told = "the endpoint is claimed" if what == "endpoint" else "the job is claimed"
        case "call":
            told = "the call of the endpoint" if what == "endpoint" else f"`{what}`"
        case _:
            told = "the answer"
    match point.moment:
        case Moment.SENT:
            return f"{told}: sent, no answer read"
        case moment:
            return f"{moment.value} {told}"


def page(rows: Mapping[str, Sequence[Row]]) -> str:
    """The whole page, of the rows of each step by its title."""
    count = sum(len(each) for each in rows.values())
    return _INTRODUCTION.format(count=count) + "\n".join(_section(step, rows[step.title]) for step in STEPS)


def _section(step: Step, rows: Sequence[Row]) -> str:
    end = f"The payment ends `{step.ends}`" if step.ends else "It is in the ledger once"
    effects = " and ".join(_EFFECTS[each] for each in step.effects)
    about = [f"{_PROGRAMS[step.program]} dies.", f"{end}."]
    if effects:
        about.append(f"At the partner is {effects}, once.")
    if step.may_differ:
        free = ", ".join(f"`{each}`" for each in step.may_differ)
        about.append(f"How often there is {free} depends on the way.")
    lines = [
        f"## {step.title}",
        "",
        " ".join(about),
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "|" + "---|" * len(_COLUMNS),
    ]
    for number, each in enumerate(rows, start=1):
        lines.append(f"| {number} | {each.killed} | {each.left} | {each.helped} | {each.repeated} |")
    return "\n".join([*lines, ""])


def write(rows: Mapping[str, Sequence[Row]]) -> None:
    """Write the page anew, once there are rows of all steps."""
    if all(step.title in rows for step in STEPS):
        PAGE.write_text(page(rows), encoding="utf-8")


def written() -> dict[str, list[Row]]:
    """The rows of the page as it stands, by the titles of their steps."""
    found: dict[str, list[Row]] = {}
    if not PAGE.exists():
        return found
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, *lines = section.splitlines()
        cells = [line.strip("| ").split(" | ") for line in lines if re.match(r"\| \d+ \|", line)]
        found[title] = [Row(*each[1:]) for each in cells]
    return found
