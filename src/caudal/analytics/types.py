"""The words of training sets."""

import enum

import msgspec


class Rows(enum.Enum):
    """What the rows of a training set are."""

    DECISIONS = "decisions"
    """Decisions on payments as they were made, each with what was known."""
    PAYMENTS = "payments"
    """Events of payments as they became known, whether or not anything was decided on them."""
    HISTORY = "history"
    """Events of payments that were imported later: as if each had been known when it happened."""
    APPLICATIONS = "applications"
    """Decisions on applications, each with the values that it was decided on."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows a training set has. Moments are microseconds since 1970; None is no bound."""

    rows: Rows
    since_us: int | None
    until_us: int | None
    as_of_us: int | None
    maturity_us: int
    labels: tuple[str, ...]

    def parameters(self) -> dict[str, object]:
        """As the statements call them."""
        return {
            "since": self.since_us, "until": self.until_us, "as_of": self.as_of_us,
            "maturity": self.maturity_us, "labels": list(self.labels),
        }  # fmt: skip
