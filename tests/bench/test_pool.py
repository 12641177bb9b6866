"""The pool's end, met in the worst moment; test_engine.py has the rest of it."""

import asyncio
from collections.abc import Callable

import pytest

from bench.load.child import loop_factory
from bench.load.pool import Connection, Pool
from bench.load.tape import Tape
from tests.bench.lab import REQUEST, LabServer


class ClosedAsItConnects(Pool):
    """Is closed in the very turn of the loop in which its connection is made."""

    closing: asyncio.Task[None] | None = None

    def connected(self, connection: Connection) -> None:
        super().connected(connection)
        self.closing = asyncio.get_running_loop().create_task(self.close())


@pytest.mark.parametrize("uvloop", [True, False], ids=["uvloop", "asyncio"])
def test_its_end_does_not_wait_for_a_connection_that_is_just_made(lab: Callable[..., LabServer], uvloop: bool) -> None:
    """uvloop tells nothing of a connection's end where the task that made it is cancelled just after its start."""

    async def body(port: int) -> None:
        loop = asyncio.get_running_loop()
        address = ("127.0.0.1", port)
        pool = ClosedAsItConnects(loop, address, [REQUEST], Tape(1, 0, 0), cap=2, timeout=5.0, keep=frozenset())
        pool.submit(0, 0)
        async with asyncio.timeout(10):
            while not pool.closing:
                await asyncio.sleep(0.001)
            await pool.closing
        assert pool.opened == 1

    with asyncio.Runner(loop_factory=loop_factory(uvloop)) as runner:
        runner.run(body(lab().port))
