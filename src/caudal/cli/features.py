"""`caudal features`: what decisions know of customers, cards, devices: publish it, show it."""

from typing import Annotated

import typer
from rich.console import Console

from caudal import features, risk
from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import BookOption
from caudal.cli.requests import FileArgument, read_json
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import table
from caudal.features import FeatureSet, Version
from caudal.ledger import Ledger
from caudal_base.errors import CaudalError

app = group("What decisions know of customers, cards, devices: publish features, show them.")


@on_database(app, "publish")
async def publish(operator: Operator, file: FileArgument, book: BookOption = FIRST_BOOK) -> None:
    """Publish a feature set: decisions are served it from now on. New features are counted by the worker."""
    found = await operator.book(book)
    declared: FeatureSet = read_json(operator, file, FeatureSet)
    async with operator.database.transaction() as connection:
        result = await risk.publish_features(
            connection, found.book_id, declared, caller=operator.caller,
            ledger=Ledger(operator.clock), at=operator.clock.now(),
        )  # fmt: skip
    if isinstance(result, CaudalError):
        raise result
    _answer(operator, result)


@on_database(app, "show")
async def show(
    operator: Operator,
    version: Annotated[int | None, typer.Option(help="Which one; by default the one that serves.")] = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Show a feature set."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        _answer(operator, await features.get_version(connection, found.book_id, version))


def _answer(operator: Operator, found: Version) -> None:
    def show_it(out: Console) -> None:
        out.print(f"Feature set {found.version}, published by {found.created_by}.")
        shown = table("feature", "of", "what", "window", "delay", "about")
        for one in found.declared.features:
            what = one.aggregate.value + ("" if one.value is None else f" {one.value}")
            of = " and ".join(entity.value for entity in one.by)
            shown.add_row(one.name, of, what, one.window, one.delay, one.about)
        out.print(shown)

    told = {
        "version": found.version, "features": found.declared.features, "created_at": found.created_at,
        "created_by": found.created_by,
    }  # fmt: skip
    operator.terminal.answer(told, show_it)
