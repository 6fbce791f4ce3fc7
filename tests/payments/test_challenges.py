"""Payments that are to be authenticated: the partner is asked to, and nobody else is."""

from caudal.connectors import Reported, Status
from caudal.payments import PaymentState
from caudal.payments.driving import call_of
from caudal_base.database import Database
from caudal_base.decide import ApproveAll, Decision, Subject, Verdict
from support.payment_worlds import PaymentWorld, snapshot_of


class Challenges(ApproveAll):
    """Wants every payment challenged."""

    async def begin(self, connection: object, book_id: int, subjects: object) -> "Challenges":
        return self

    def decide(self, subject: Subject) -> Decision:
        return Decision(verdict=Verdict.CHALLENGE, reasons=("for_the_test",), id="dec_1")


async def test_a_challenged_payment_goes_on_and_the_partner_has_the_customer_authenticate(
    shared_database: Database,
) -> None:
    world = await PaymentWorld.make(shared_database, decide=Challenges())

    case = await world.create()

    assert (case.payment.state, case.payment.verdict) == (PaymentState.PROCESSING, "challenge")
    assert case.payment.decision == "dec_1"
    live = case.live
    assert live is not None
    assert call_of(case, live).authenticate
    await world.answer(live, Reported(snapshot_of(case, Status.ACTION_REQUIRED, action_url="https://a.test")))
    assert await world.state(case) is PaymentState.REQUIRES_ACTION


async def test_what_is_approved_is_not_authenticated(shared_database: Database) -> None:
    world = await PaymentWorld.make(shared_database)
    case = await world.create()
    live = case.live
    assert live is not None
    assert not call_of(case, live).authenticate
