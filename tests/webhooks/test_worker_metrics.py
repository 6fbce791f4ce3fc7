"""What a worker tells of itself."""

from prometheus_client import generate_latest

from caudal.api import worker_registry
from caudal.delivery import DeliveryCounts
from caudal.jobs import Counts, KindCounts
from support.webhooks import Post


async def test_a_worker_tells_of_its_jobs_its_webhooks_and_its_partners(post: Post) -> None:
    for objects in (["a"], [], ["never-1"], ["later-1"]):
        await post.arrived(*objects)
    await post.work()
    counts = Counts(kinds={"webhooks.apply": KindCounts(done=3, retried=1, calls=2, busy_s=0.5)}, released=1)

    text = generate_latest(worker_registry(counts, post.counts, post.partners, DeliveryCounts())).decode()

    told = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    for state in ("applied", "ignored", "parked", "received"):
        assert told[f'caudal_webhooks_in_attempts_total{{partner="acme",state="{state}"}}'] == "1.0"
    assert told['caudal_jobs_ended_total{ending="done",kind="webhooks.apply"}'] == "3.0"
    assert told['caudal_jobs_ended_total{ending="retried",kind="webhooks.apply"}'] == "1.0"
    assert told['caudal_jobs_busy_seconds_total{kind="webhooks.apply"}'] == "0.5"
    assert told["caudal_jobs_released_total"] == "1.0"
    assert told['caudal_partner_breaker_open{partner="acme"}'] == "0.0"
