"""`caudal payouts`: pay customers' money out."""

from typing import Annotated

import typer

from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import (
    DEFAULT_LIMIT,
    AfterOption,
    BookOption,
    DryRunOption,
    LimitOption,
    MetadataOption,
)
from caudal.cli.payment_reads import (
    AmountFilter,
    CurrencyFilter,
    CustomerFilter,
    PartnerFilter,
    ReferenceFilter,
    SinceFilter,
    StateFilter,
    UntilFilter,
    list_payments,
    show,
)
from caudal.cli.payments import (
    AmountOption,
    CurrencyOption,
    CustomerOption,
    DescriptionOption,
    ExecuteOption,
    IdOption,
    MethodOption,
    MinorOption,
    PartnerOption,
    ReferenceOption,
    begin,
)
from caudal.cli.setup import FIRST_BOOK

app = group("Pay customers' money out to bank accounts; `caudal payments` reads and cancels them too.")


@on_database(app, "create")
async def create(
    operator: Operator,
    customer: CustomerOption,
    currency: CurrencyOption,
    instrument: Annotated[
        str, typer.Option(metavar="TOKEN", help="The bank account that is paid to: `tok_…`.")
    ],
    amount: AmountOption = None,
    amount_minor: MinorOption = None,
    method: MethodOption = None,
    partner: PartnerOption = None,
    reference: ReferenceOption = None,
    description: DescriptionOption = None,
    metadata: MetadataOption = None,
    execute_at: ExecuteOption = None,
    new_id: IdOption = None,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Pay out to a bank account."""
    await begin(
        operator, book, "/v1/payouts", {}, customer=customer, currency=currency, amount=amount,
        amount_minor=amount_minor, instrument=instrument, method=method, partner=partner,
        reference=reference, description=description, metadata=metadata, execute_at=execute_at,
        new_id=new_id, dry_run=dry_run,
    )  # fmt: skip


@on_database(app, "list")
async def list_(
    operator: Operator,
    customer: CustomerFilter = None,
    reference: ReferenceFilter = None,
    state: StateFilter = None,
    amount: AmountFilter = None,
    currency: CurrencyFilter = None,
    partner: PartnerFilter = None,
    since: SinceFilter = None,
    until: UntilFilter = None,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List payouts, the newest first."""
    await list_payments(
        operator, book, "/v1/payouts", {}, customer=customer, reference=reference, state=state,
        amount=amount, currency=currency, partner=partner, since=since, until=until, limit=limit, after=after,
    )  # fmt: skip


on_database(app, "show")(show)
