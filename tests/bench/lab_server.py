"""A small HTTP server with faults on order, run as a process: `python lab_server.py '{"cut_every": 10}'`.

It prints its port, answers every request with `answer`, and misbehaves as its options say. It ends with its stdin.
"""

import asyncio
import itertools
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httptools

OPTIONS: dict[str, Any] = {
    "answer": "ok",
    "close": False,  # close the connection after every answer, and say so
    "dribble": False,  # one byte at a time
    "chunked": False,
    "interim": False,  # a 100 Continue before every answer
    "delay": 0.0,  # seconds of thought, without blocking the others
    "once": False,  # close a connection, without a word, at its second request
    "idle": 0.0,  # close a connection that has been quiet for so many seconds
    "stall": [0.0, 0.0],  # block everything for so many seconds, every so many seconds
    "error_every": 0,  # every n-th request gets status 500,
    "silent_every": 0,  # no answer,
    "garbage_every": 0,  # no HTTP,
    "cut_every": 0,  # half an answer
    "die_after": 0,  # the process ends before it answers request n
    "log": "",  # a folder for what was received and when the server stalled
}


class Lab(asyncio.Protocol):
    def __init__(self, options: dict[str, Any], count: "itertools.count[int]") -> None:
        self.options = options
        self.count = count
        self.parser = httptools.HttpRequestParser(self)
        self.received = b""
        self.quiet: asyncio.TimerHandle | None = None
        self.used = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.options["log"]:
            self.received += data
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self.quiet:
            self.quiet.cancel()
        if self.used and self.options["once"]:
            self.transport.close()
            return
        self.used = True
        number = next(self.count)
        if self.options["log"]:
            with (Path(self.options["log"]) / f"{number}.request").open("wb") as file:
                file.write(self.received)
            self.received = b""
        if number == self.options["die_after"]:
            os._exit(1)
        asyncio.get_running_loop().call_later(self.options["delay"], self.reply, number)

    def reply(self, number: int) -> None:
        def turn_of(fault: str) -> bool:
            return bool(self.options[fault]) and number % self.options[fault] == 0

        if turn_of("silent_every") or self.transport.is_closing():
            return
        if turn_of("garbage_every"):
            self.transport.write(b"It is a truth universally acknowledged\r\n\r\n")
            return
        answer = self.message(500 if turn_of("error_every") else 200)
        if turn_of("cut_every"):
            self.transport.write(answer[:-1])
            self.transport.close()
        elif self.options["dribble"]:
            task = asyncio.get_running_loop().create_task(self.dribble(answer))
            task.add_done_callback(lambda _: self.after())
        else:
            self.transport.write(answer)
            self.after()

    async def dribble(self, answer: bytes) -> None:
        for byte in answer:
            self.transport.write(bytes((byte,)))
            await asyncio.sleep(0)

    def after(self) -> None:
        if self.options["close"]:
            self.transport.close()
        elif self.options["idle"]:
            self.quiet = asyncio.get_running_loop().call_later(self.options["idle"], self.transport.close)

    def message(self, status: int) -> bytes:
        body = self.options["answer"].encode()
        head = b"HTTP/1.1 100 Continue\r\n\r\n" if self.options["interim"] else b""
        head += b"HTTP/1.1 %d Well\r\n" % status + (b"Connection: close\r\n" if self.options["close"] else b"")
        if self.options["chunked"]:
            return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


async def stall(seconds: float, every: float, log: Path) -> None:
    """Block the loop, writing down when (monotonic ns, as the engine's stamps)."""
    with (log / "stalls").open("w", buffering=1) as file:
        while True:
            await asyncio.sleep(every - seconds)
            start = time.monotonic_ns()
            time.sleep(seconds)
            file.write(f"{start} {time.monotonic_ns()}\n")


async def serve(options: dict[str, Any]) -> None:
    count = itertools.count(1)
    server = await asyncio.get_running_loop().create_server(lambda: Lab(options, count), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    if any(options["stall"]):
        seconds, period = options["stall"]
        await stall(seconds, period, Path(options["log"]))
    await server.serve_forever()


if __name__ == "__main__":
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    asyncio.run(serve(OPTIONS | json.loads(sys.argv[1])))
