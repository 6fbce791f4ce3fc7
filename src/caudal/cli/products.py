"""`caudal products`: what customers are given, and what it costs."""

import re
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console

from caudal import customers
from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import DEFAULT_LIMIT, AfterOption, BookOption, LimitOption
from caudal.cli.paging import more
from caudal.cli.requests import FileArgument, read_json
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import cell, facts, money, table
from caudal.customers import Fee, NewProduct, Product
from caudal.ledger import Ledger
from caudal_base.decide import Limit
from caudal_base.errors import CaudalError, InvalidRequest

app = group("What customers are given: currencies, limits, fees.")

_CURSOR: Final = re.compile(r"([a-z][a-z0-9_-]{0,62})@([0-9]{1,9})", re.ASCII)


@on_database(app, "create")
async def create(operator: Operator, file: FileArgument, book: BookOption = FIRST_BOOK) -> None:
    """Keep a product as the next version of its name: FILE is as for POST /v1/products.

    For instance `{"name": "basic", "currencies": ["EUR"], "fees": [{"kind": "payout", "flat": 20}]}`.
    """
    found = await operator.book(book)
    wanted = read_json(operator, file, NewProduct)
    async with operator.database.transaction() as connection:
        (kept,) = await customers.create_products(
            connection,
            found.book_id,
            [wanted],
            caller=operator.caller,
            ledger=Ledger(operator.clock),
            at=operator.clock.now(),
        )
    if isinstance(kept, CaudalError):
        raise kept
    product = kept
    operator.terminal.answer(_shape(product), lambda out: _show(out, product))


@on_database(app, "list")
async def list_(
    operator: Operator,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List products, every version."""
    found = await operator.book(book)
    size = min(limit, 1_000)
    async with operator.database.connection() as connection:
        rows = await customers.list_products(connection, found.book_id, after=_place(after), limit=size)
    cursor = f"{rows[-1].name}@{rows[-1].version}" if len(rows) == size else None

    def show_rows(out: Console) -> None:
        shown = table("product", "version", "currencies", "limits", "fees", "created", right=("version",))
        for row in rows:
            shown.add_row(
                row.name, str(row.version), " ".join(row.currencies), str(len(row.limits)),
                str(len(row.fees)), cell(row.created_at),
            )  # fmt: skip
        out.print(shown if rows else "No products. `caudal products create` makes one.")
        more(out, cursor)

    operator.terminal.answer({"data": [_shape(row) for row in rows], "next_cursor": cursor}, show_rows)


@on_database(app, "show")
async def show(
    operator: Operator,
    name: Annotated[str, typer.Argument(metavar="PRODUCT", help="The product's name.")],
    version: Annotated[int | None, typer.Option(min=1, help="Its version. (default: the newest)")] = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Show a product: its currencies, limits and fees."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        product = await customers.get_product(connection, found.book_id, name, version)
    operator.terminal.answer(_shape(product), lambda out: _show(out, product))


def _place(after: str | None) -> tuple[str, int]:
    if after is None:
        return ("", 0)
    match = _CURSOR.fullmatch(after)
    if match is None:
        raise InvalidRequest("this is not a cursor that was shown before", field="after")
    return (match[1], int(match[2]))


def _shape(product: Product) -> dict[str, Any]:
    """As the API has it."""
    return {
        "name": product.name,
        "version": product.version,
        "created_at": product.created_at,
        "currencies": product.currencies,
        "limits": msgspec.to_builtins(product.limits),
        "fees": msgspec.to_builtins(product.fees),
        "review": msgspec.to_builtins(product.review),
    }


def _show(out: Console, product: Product) -> None:
    review = product.review
    rows = [
        ("product", f"{product.name}@{product.version}"),
        ("currencies", " ".join(product.currencies)),
        *(("limit", _limit(limit)) for limit in product.limits),
        *(("fee", _fee(fee, product.currencies)) for fee in product.fees),
        ("review", f"{review.timeout_s} s, then {review.default.value}"),
        ("created", product.created_at),
    ]
    out.print(facts(rows))


def _limit(limit: Limit) -> str:
    parts = [limit.kind or "each kind"]
    if limit.country is not None:
        parts.append(f"from {limit.country}")
    if limit.per_payment is not None:
        parts.append(f"{money(limit.per_payment, limit.currency)} a payment")
    if limit.per_day is not None:
        parts.append(f"{money(limit.per_day, limit.currency)} a day")
    return ", ".join(parts)


def _fee(fee: Fee, currencies: tuple[str, ...]) -> str:
    # Amounts without a currency of their own are those of the only one.
    currency = fee.currency or currencies[0]
    parts = [fee.kind, *(part for part in (fee.method, fee.currency) if part is not None)]
    if fee.flat:
        parts.append(money(fee.flat, currency))
    if fee.basis_points:
        parts.append(f"{fee.basis_points / 100:g} %")
    if fee.minimum is not None:
        parts.append(f"at least {money(fee.minimum, currency)}")
    if fee.maximum is not None:
        parts.append(f"at most {money(fee.maximum, currency)}")
    return ", ".join(parts)
