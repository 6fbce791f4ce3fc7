"""What a run of the simulation is made of, and what it finds."""

import enum

import msgspec


class Victim(enum.Enum):
    """What is killed with SIGKILL while the clients go on."""

    API = "api"
    """The API with its worker processes."""
    API_WORKER = "api_worker"
    """One of the processes that serve requests; the one above them makes another."""
    WORKER = "worker"
    """One of the processes that do the background work."""
    WORKERS = "workers"
    """All of them."""
    POSTMASTER = "postmaster"
    """PostgreSQL as a whole."""
    BACKEND = "backend"
    """One connection's process of PostgreSQL, on which the server ends all others and recovers."""


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides a run, as far as it can be decided."""

    seed: int
    payments: int = 2_000
    clients: int = 64
    """Callers at once, each with one payment at a time."""
    kills: int = 8
    faults: float = 1.0
    """Multiplies the rates of what goes wrong at the partners and with webhooks; 0 is nothing."""
    patience_s: float = 120.0
    """How long nothing may come to an end of what should, once nothing goes wrong any more."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """An invariant that does not hold."""

    invariant: str
    count: int
    """How many break it."""
    examples: tuple[str, ...]
    """The first of them."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a run."""

    seed: int
    payments: int
    """That were begun."""
    invariants_broken: tuple[Finding, ...]
    double_effects: int
    """Effects at partners beyond the one that each attempt may have."""
    lost: int
    """Payments, captures and refunds that a caller was told of and that do not exist."""
    requests: int
    """Distinct ones, each with its own key."""
    sent: int
    """With repeats and copies."""
    unanswered: int
    """Times that no answer came, or one that leaves the outcome open."""
    outcomes: dict[str, int]
    """Payments by their state at the end."""
    skipped: dict[str, int]
    """Steps of scripts that were not taken since the payment did not come into the state for them."""
    kills: dict[str, int]
    """By what was killed."""
    faults: dict[str, int]
    """What went wrong at the partners, by kind."""
    routes: dict[str, int]
    """Payments by the rule that sent them and the partner that carried them out in the end."""
    reroutes: int
    """Payments that were begun at more than one partner."""
    retries: dict[str, int]
    """Attempts to begin a payment once more, by why."""
    publications: int
    """Times that rules were published."""
    outages: list[str]
    """Who was away for a while, and how."""
    webhooks: dict[str, int]
    """What went wrong with webhooks, by kind."""
    deliveries: dict[str, int]
    """Webhooks to customers' endpoints, by what became of them."""
    seconds: float
    slowness: float
    """How many times as long as on a machine of their own the workers took, for want of a processor."""
    phases: dict[str, float]
    """Seconds of each part of the run."""
    cpu: dict[str, float]
    """Seconds of CPU by program; what was killed took its own with it."""
    parameters: Parameters
    """With them the run is repeated; processes that are killed in real time interleave anew each time."""

    @property
    def holds(self) -> bool:
        """Whether every invariant does."""
        return not self.invariants_broken and not self.double_effects and not self.lost
