"""Makes the sample bank in `src/caudal/imports/sample`: invented customers and four months of payments.

The files have the shape of those that Petr Berka and Marta Sochorová published (PKDD'99): the same columns
and words, none of their data. As there, the bank reckons with exact interest and prints amounts and balances
rounded to 0.10, and the file is cut in its last day: some balances state what no row of the file has moved.

    python tools/make_sample_bank.py [DIRECTORY]

The same files every time: `random.Random(seed).random()` gives the same numbers in every version of Python.
"""

import calendar
import datetime as dt
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

SAMPLE = Path(__file__).parent.parent / "src" / "caudal" / "imports" / "sample"

ACCOUNTS = 36
MONTHS = 4
FIRST_ACCOUNT = 900_001
FIRST_CLIENT = 910_001
FIRST_TRANSACTION = 9_000_001
FREQUENCIES = ("POPLATEK MESICNE", "POPLATEK MESICNE", "POPLATEK TYDNE", "POPLATEK PO OBRATU")
BANKS = ("BX", "DQ", "FV", "HZ")
YEARLY_INTEREST = 0.03
YEARLY_PENALTY = 0.15

T = TypeVar("T")


class Payment(NamedTuple):
    """What moves on an account; the amount in haléř, exact or not yet rounded."""

    day: dt.date
    type: str
    operation: str
    amount: int
    symbol: str = ""
    bank: str = ""
    account: str = ""
    in_file: bool = True


class Chance:
    """Whole numbers and choices from the one generator whose numbers never change."""

    def __init__(self, seed: int) -> None:
        """The same seed, the same bank."""
        self._random = random.Random(seed)

    def below(self, limit: int) -> int:
        """From 0 to `limit - 1`."""
        return int(self._random.random() * limit)

    def between(self, low: int, high: int) -> int:
        """From `low` to `high`, both possible."""
        return low + self.below(high - low + 1)

    def of(self, things: Sequence[T]) -> T:
        """One of them."""
        return things[self.below(len(things))]


@dataclass
class Customer:
    """An account, and how its owner lives."""

    index: int
    number: int
    client: int
    opened: dt.date
    frequency: str
    employer: tuple[str, str]
    landlord: tuple[str, str]
    salary: int
    pensioner: bool
    careless: bool
    """Spends more than there is."""
    payments: list[Payment] = field(default_factory=list)


def customers(chance: Chance) -> list[Customer]:
    """Everybody who has an account."""

    def other_account() -> tuple[str, str]:
        return chance.of(BANKS), str(chance.between(10_000_000, 99_999_999))

    return [
        Customer(
            index=index,
            number=FIRST_ACCOUNT + 7 * index,
            client=FIRST_CLIENT + 11 * index,
            opened=dt.date(1993, 1 + index % 2, chance.between(1, 25)),
            frequency=chance.of(FREQUENCIES),
            employer=other_account(),
            landlord=other_account(),
            salary=100 * chance.between(4_000, 14_000),
            pensioner=index % 5 == 4,
            careless=index % 12 == 3,
        )
        for index in range(ACCOUNTS)
    ]


def live(customer: Customer, chance: Chance) -> None:
    """The customer's payments, interest and fees, month by month."""
    opening = 1_000 * chance.between(5, 12)
    customer.payments.append(Payment(customer.opened, "PRIJEM", "VKLAD", 10 * opening))
    balance = 10 * opening
    for month in range(customer.opened.month, MONTHS + 1):
        last = dt.date(1993, month, calendar.monthrange(1993, month)[1])
        paid = [p for p in _month(customer, month, chance) if p.day > customer.opened]
        balance += sum(p.amount if p.type == "PRIJEM" else -p.amount for p in paid)
        customer.payments += paid
        cut = month == MONTHS and customer.index % 9 == 1
        closing = [Payment(last, "VYDAJ", "VYBER", 1_240, "SLUZBY")]
        if balance > 0:
            interest = round(balance * YEARLY_INTEREST / 12)
            # In the last month some files end between the interest and the fee.
            closing.insert(0, Payment(last, "PRIJEM", "", interest, "UROK", in_file=not cut))
        elif balance < 0:
            penalty = round(-balance * YEARLY_PENALTY / 12)
            closing.insert(0, Payment(last, "VYDAJ", "VYBER", penalty, "SANKC. UROK"))
        balance += sum(p.amount if p.type == "PRIJEM" else -p.amount for p in closing)
        customer.payments += closing


def _month(customer: Customer, month: int, chance: Chance) -> Iterator[Payment]:
    def day(first: int, last: int) -> dt.date:
        return dt.date(1993, month, chance.between(first, last))

    if customer.index % 3:
        symbol = "DUCHOD" if customer.pensioner else ""
        yield Payment(day(5, 9), "PRIJEM", "PREVOD Z UCTU", customer.salary, symbol, *customer.employer)
    else:
        yield Payment(day(5, 9), "PRIJEM", "VKLAD", customer.salary)
    rent = customer.salary // 400 * 100
    yield Payment(day(10, 13), "VYDAJ", "PREVOD NA UCET", rent, "SIPO", *customer.landlord)
    if customer.index % 4 == 1:
        yield Payment(day(10, 13), "VYDAJ", "PREVOD NA UCET", 31_570, "POJISTNE", "BX", "40011703")
    if customer.index % 7 == 2:
        yield Payment(day(12, 12), "VYDAJ", "PREVOD NA UCET", 102_480, "UVER", "HZ", "77120945")
    if customer.index % 8 == 5:
        yield Payment(day(20, 24), "VYDAJ", "VYBER KARTOU", 10_000 * chance.between(2, 9), "", "", "0")
    spending = customer.salary * (10 if customer.careless else 4) // 10
    for _ in range(2):
        yield Payment(day(14, 27), "VYDAJ", "VYBER", spending // 200 * 100, " ", "", "0")
    if month == 3 and customer.index % 6 == 0:
        yield Payment(day(14, 27), "VYBER", "VYBER", 240_000)


def rounded(haler: int) -> int:
    """To 0.10, as the bank prints."""
    return (abs(haler) + 5) // 10 * 10 * (1 if haler >= 0 else -1)


def printed(haler: int) -> str:
    """An amount in crowns with two decimals."""
    sign, size = ("-" if haler < 0 else ""), abs(rounded(haler))
    return f"{sign}{size // 100}.{size % 100:02d}"


def transactions(bank: Sequence[Customer], chance: Chance) -> list[str]:
    """The rows of `trans.csv`: by day, and within a day in no order."""
    rows: list[tuple[dt.date, int, int, str]] = []
    for customer in bank:
        balance = 0
        # Sorting keeps the order of a day's payments, in which the balances are stated.
        for payment in sorted(customer.payments, key=lambda p: p.day):
            balance += payment.amount if payment.type == "PRIJEM" else -payment.amount
            if not payment.in_file:
                continue
            parts = (
                str(customer.number), f"{payment.day:%y%m%d}", f'"{payment.type}"', f'"{payment.operation}"',
                printed(payment.amount), printed(balance), f'"{payment.symbol}"',
                f'"{payment.bank}"' if payment.account else "",
                f'"{payment.account}"' if payment.account else "",
            )  # fmt: skip
            rows.append((payment.day, chance.below(1_000_000), len(rows), ";".join(parts)))
    return [f"{FIRST_TRANSACTION + 13 * place};{row}" for place, (_, _, _, row) in enumerate(sorted(rows))]


def files() -> dict[str, str]:
    """The four files by name."""
    chance = Chance(1993)
    bank = customers(chance)
    for customer in bank:
        live(customer, chance)
    accounts = [f'{c.number};{c.number % 77 + 1};"{c.frequency}";{c.opened:%y%m%d}' for c in bank]
    clients: list[str] = []
    roles: list[str] = []
    for customer in bank:
        owners = [customer.client, customer.client + 1] if customer.index % 4 == 0 else [customer.client]
        for place, client in enumerate(owners):
            role = "DISPONENT" if place else "OWNER"
            clients.append(f'{client};"{chance.between(20, 75)}{chance.between(1, 12):02d}15";1')
            roles.append(f'{920_001 + len(roles)};{client};{customer.number};"{role}"')
    trans = transactions(bank, chance)
    return {
        "account.csv": _file('"account_id";"district_id";"frequency";"date"', accounts),
        "client.csv": _file('"client_id";"birth_number";"district_id"', clients),
        "disp.csv": _file('"disp_id";"client_id";"account_id";"type"', roles),
        "trans.csv": _file(
            '"trans_id";"account_id";"date";"type";"operation";"amount";"balance";"k_symbol";"bank";"account"',
            trans,
        ),
    }


def _file(header: str, rows: Sequence[str]) -> str:
    return "".join(f"{line}\r\n" for line in (header, *rows))


def main() -> None:
    """Write the files."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (directory / name).write_bytes(text.encode())
        print(f"{directory / name}: {text.count(chr(10)) - 1} rows")


if __name__ == "__main__":
    main()
