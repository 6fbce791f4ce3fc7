"""Which calls go first, and that none waits for ever."""

import asyncio

import pytest

from caudal.jobs.room import Room


class Calls:
    """Calls in a room, each until it is told to end."""

    def __init__(self, at_once: int) -> None:
        self.room = Room(at_once)
        self.running: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, *names: str) -> None:
        """Names with a `b` are of background calls."""
        for name in names:
            self._ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._call(name))
        await settled()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await settled()

    async def _call(self, name: str) -> None:
        async with self.room.place(background=name.startswith("b")):
            self.running.append(name)
            await self._ends[name].wait()
            self.running.remove(name)


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def finish(calls: Calls) -> None:
    for name, task in calls.tasks.items():
        await calls.end(name)
        assert task.done()


async def test_calls_that_somebody_waits_for_go_before_those_that_came_earlier() -> None:
    calls = Calls(4)
    await calls.begin("b1", "b2", "b3", "p1", "p2", "p3", "p4")
    assert calls.running == ["b1", "p1", "p2", "p3"]

    await calls.end("p1")

    assert calls.running == ["b1", "p2", "p3", "p4"]
    await finish(calls)


async def test_background_calls_have_a_quarter_of_an_empty_room() -> None:
    calls = Calls(8)
    await calls.begin("b1", "b2", "b3")

    assert calls.running == ["b1", "b2"]
    await calls.end("b1")
    assert calls.running == ["b2", "b3"]
    await finish(calls)


async def test_where_background_calls_have_no_place_the_next_is_theirs() -> None:
    calls = Calls(4)
    await calls.begin("p1", "p2", "p3", "p4", "p5", "b1", "b2")

    await calls.end("p1")
    assert calls.running == ["p2", "p3", "p4", "b1"]
    await calls.end("p2")
    assert calls.running == ["p3", "p4", "b1", "p5"]
    await finish(calls)


async def test_in_a_room_for_one_they_take_turns() -> None:
    calls = Calls(1)
    await calls.begin("p1", "p2", "p3", "b1", "b2")

    order = []
    for _ in range(5):
        (running,) = calls.running
        order.append(running)
        await calls.end(running)

    assert order == ["p1", "b1", "p2", "b2", "p3"]


@pytest.mark.parametrize("name", ["p9", "b9"])
async def test_one_that_is_cancelled_takes_no_place_with_it(name: str) -> None:
    calls = Calls(1)
    await calls.begin("p1", name, "p2")
    calls.tasks.pop(name).cancel()
    await calls.end("p1")
    assert calls.running == ["p2"]

    # Cancelled in the very moment in which it is given the place.
    await calls.begin("p3")
    calls._ends["p2"].set()
    await asyncio.sleep(0)
    calls.tasks.pop("p3").cancel()
    await calls.begin("p4")
    assert calls.running == ["p4"]
    await finish(calls)
