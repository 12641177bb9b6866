import asyncio
import sys
from collections.abc import Callable
from time import monotonic_ns

import pytest
import uvloop

from bench.load.pacer import Fire, Pacer, ThreadPacer, TimerfdPacer, pace

PACERS = [ThreadPacer, *([TimerfdPacer] if sys.platform == "linux" else [])]
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
Make = Callable[[asyncio.AbstractEventLoop, list[int], Fire], Pacer]
MS = 1_000_000


@pytest.fixture(params=PACERS)
def make(request: pytest.FixtureRequest) -> Make:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    def run(coroutine: object) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(coroutine)  # type: ignore[arg-type]

    return run


def test_every_time_fires_once_in_order_and_never_early(make: Make, run: Callable[..., None]) -> None:
    async def body() -> None:
        start = monotonic_ns() + 20 * MS
        # gaps from none to 5 ms, bursts of equal times, and one that had passed before the start
        times = sorted([start - 50 * MS, *(start + i * i * 10_000 for i in range(100)), *[start + 30 * MS] * 20])
        fired: list[tuple[int, int]] = []
        over = asyncio.get_running_loop().create_future()

        def fire(index: int, when: int) -> None:
            assert when == times[index]
            fired.append((index, monotonic_ns()))
            if index == len(times) - 1:
                over.set_result(None)

        pacer = make(asyncio.get_running_loop(), times, fire)
        await asyncio.wait_for(over, 30)
        pacer.close()
        assert [index for index, _ in fired] == list(range(len(times)))
        assert all(at >= times[index] for index, at in fired)

    run(body())


def test_a_late_wake_up_drains_everything_that_is_due(make: Make, run: Callable[..., None]) -> None:
    async def body() -> None:
        start = monotonic_ns() + 10 * MS
        fired: list[int] = []
        pacer = make(
            asyncio.get_running_loop(), [start + i * MS for i in range(50)], lambda index, _: fired.append(index)
        )
        while monotonic_ns() < start + 60 * MS:
            pass  # the loop is busy past the last time
        for _ in range(200):
            await asyncio.sleep(0.001)
            if fired:
                break
        assert fired == list(range(50)), "one wake-up takes them all"
        pacer.close()

    run(body())


def test_close_ends_it(make: Make, run: Callable[..., None]) -> None:
    async def body() -> None:
        fired: list[int] = []
        times = [monotonic_ns() + 50 * MS, monotonic_ns() + 3_600_000 * MS]
        pacer = make(asyncio.get_running_loop(), times, lambda index, _: fired.append(index))
        pacer.close()
        pacer.close()
        await asyncio.sleep(0.1)
        assert fired == []

    run(body())


def test_no_times_are_no_calls(run: Callable[..., None]) -> None:
    async def body() -> None:
        pacer = pace(asyncio.get_running_loop(), [], lambda *_: pytest.fail("fired"))
        await asyncio.sleep(0.02)
        pacer.close()

    run(body())


@pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux's")
def test_linux_paces_by_timerfd(run: Callable[..., None]) -> None:
    async def body() -> None:
        pacer = pace(asyncio.get_running_loop(), [], lambda *_: None)
        assert isinstance(pacer, TimerfdPacer)
        pacer.close()

    run(body())
