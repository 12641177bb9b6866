"""The lab server: a real HTTP server that does, to order, what the controls must find.

A process of its own: `python -m bench.selftest.lab '{"busy_us": 100}'`. It prints its port and ends with its stdin.
With a model it speaks V1 (parse, predict, write); without one every answer is the same few bytes.
"""

import asyncio
import json
import os
import random
import sys
import threading
import time
from array import array
from dataclasses import dataclass
from pathlib import Path

import httptools
import numpy as np
import orjson

import shared_models
from bench.load.child import loop_factory

PLAIN = b'{"predictions":[[1.0]]}'


@dataclass(frozen=True, slots=True)
class Faults:
    """What the server does besides its work. The default is an honest server."""

    model: str = ""  # a model to serve over V1; none answers PLAIN
    busy_us: float = 0.0  # processor time burnt for every request
    work_us: float = 0.0  # processor time burnt for every prediction, on top of the model's own
    wait: float = 0.0  # seconds between a request and its answer in which others are served, as for a database
    stall: float = 0.0  # seconds for which everything stands still,
    every: float = 2.0  # every so many seconds
    errors: float = 0.0  # share of requests that get status 500, drawn at random
    seed: int = 1  # of that draw
    cache: bool = False  # a body that was seen before is not predicted again
    wrong_after: int | None = None  # right answers before the wrong ones begin
    record: str = ""  # a file for the arrival times of all requests: int64, monotonic ns, written at the end


class Lab:
    """The application: a body in, a status and a body out."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.arrivals = array("q")
        self._model = shared_models.load(faults.model) if faults.model else None
        self._random = random.Random(faults.seed)  # noqa: S311 - a draw of faults, no secret
        self._cache: dict[bytes, bytes] = {}

    def answer(self, body: bytes) -> tuple[int, bytes]:
        self.arrivals.append(time.monotonic_ns())
        burn(self.faults.busy_us)
        if self.faults.errors and self._random.random() < self.faults.errors:
            return 500, b'{"error":"as ordered"}'
        if not self.faults.cache:
            return 200, self._predict(body)
        if body not in self._cache:
            self._cache[body] = self._predict(body)
        return 200, self._cache[body]

    def _predict(self, body: bytes) -> bytes:
        burn(self.faults.work_us)
        if self._model is None:
            return PLAIN
        rows = self._model.predict(orjson.loads(body)["instances"])
        if self.faults.wrong_after is not None and len(self.arrivals) > self.faults.wrong_after:
            rows = np.roll(rows, 1, axis=1)  # each class gets another's probability
        return orjson.dumps({"predictions": rows.tolist()})


def burn(microseconds: float) -> None:
    """Use processor time, not time of the day: a neighbour that interrupts does not shorten it."""
    if microseconds:
        end = time.thread_time_ns() + int(microseconds * 1e3)
        while time.thread_time_ns() < end:
            pass


class Connection(asyncio.Protocol):
    """One connection: HTTP in, the lab's answers out."""

    transport: asyncio.Transport

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._parser = httptools.HttpRequestParser(self)
        self._body = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a socket's transport also writes

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        body, self._body = bytes(self._body), bytearray()
        status, answer = self._lab.answer(body)
        if self._lab.faults.wait:
            asyncio.get_running_loop().call_later(self._lab.faults.wait, self._write, status, answer)
        else:
            self._write(status, answer)

    def _write(self, status: int, answer: bytes) -> None:
        head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
        self.transport.write(head.encode() + answer)


async def _stall(seconds: float, every: float) -> None:
    loop = asyncio.get_running_loop()
    following = loop.time() + every
    while True:
        await asyncio.sleep(following - loop.time())
        time.sleep(seconds)
        following += every


async def serve(faults: Faults) -> None:
    """Serve until stdin ends."""
    loop = asyncio.get_running_loop()
    lab, over = Lab(faults), asyncio.Event()
    server = await loop.create_server(lambda: Connection(lab), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    threading.Thread(target=_wait_for_end, args=(loop, over), daemon=True).start()
    stalls = loop.create_task(_stall(faults.stall, faults.every)) if faults.stall else None
    await over.wait()
    if faults.record:
        Path(faults.record).write_bytes(lab.arrivals.tobytes())
    if stalls:
        stalls.cancel()


def _wait_for_end(loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    loop.call_soon_threadsafe(over.set)


def main() -> None:
    faults = Faults(**json.loads(sys.argv[1]))
    with asyncio.Runner(loop_factory=loop_factory(uvloop=True)) as runner:
        runner.run(serve(faults))


if __name__ == "__main__":
    main()
