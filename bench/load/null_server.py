"""A server that does nothing but answer: `python -m bench.load.null_server FILE`, for the engine's ceiling.

It reads HTTP/1.1 requests over kept-alive connections and answers each with the bytes of that file; it prints its port
and ends with its standard input. Written in Python over uvloop because that is enough and needs no compiler: most of
what a request costs is the kernel's. It takes 0.9 of the CPU time that the load engine spends on the same request, so
that the engine runs out first, and as much as wrk (7 us for 36 bytes, 8 us for 6 kB). A bare epoll loop, and writes
past uvloop, cost the same within 3 %. `make bench-engine` measures it anew.
"""

import argparse
import asyncio
import gc
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from bench.load.child import end_with_parent, loop_factory

END_OF_HEAD: Final = b"\r\n\r\n"
HEADS: Final = 4096
"""Different heads whose lengths are remembered; a run sends some hundred."""
LONGEST_HEAD: Final = 65_536
BACKLOG: Final = 4096


class Framing:
    """Counts the requests that are complete in a stream of bytes, whatever pieces it comes in. Pure."""

    __slots__ = ("_lengths", "_missing", "_rest")

    def __init__(self, lengths: dict[bytes, int]) -> None:
        """`lengths` of the bodies by their whole heads: shared by all connections, since requests are much alike."""
        self._lengths = lengths
        self._rest = b""  # the beginning of a head
        self._missing = 0  # bytes of a body that are still to come

    def feed(self, data: bytes) -> int:
        """How many requests these bytes complete. Raises ValueError for what cannot be framed."""
        complete = 0
        if self._missing:
            if len(data) < self._missing:
                self._missing -= len(data)
                return 0
            data, self._missing, complete = data[self._missing :], 0, 1
        elif self._rest:
            data = self._rest + data
        while data:
            end = data.find(END_OF_HEAD) + len(END_OF_HEAD)
            if end < len(END_OF_HEAD):
                self._rest = data
                if len(data) > LONGEST_HEAD:
                    raise ValueError(f"expected a head of at most {LONGEST_HEAD} bytes")
                return complete
            over = len(data) - end - self._length(data[:end])
            if over < 0:
                self._missing = -over
                break
            complete += 1
            data = data[len(data) - over :] if over else b""
        self._rest = b""
        return complete

    def _length(self, head: bytes) -> int:
        length = self._lengths.get(head)
        if length is None:
            length = content_length(head)
            if len(self._lengths) < HEADS:
                self._lengths[head] = length
        return length


def content_length(head: bytes) -> int:
    """Of a whole head; 0 where it names none. Raises ValueError for another framing, such as chunks."""
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"transfer-encoding":
            raise ValueError("expected a Content-Length, found a Transfer-Encoding")
        if name == b"content-length":
            return int(value)
    return 0


class Null(asyncio.Protocol):
    """One connection."""

    __slots__ = ("_answer", "_framing", "_transport")

    _transport: asyncio.Transport

    def __init__(self, answer: bytes, lengths: dict[bytes, int]) -> None:
        self._answer = answer
        self._framing = Framing(lengths)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            complete = self._framing.feed(data)
        except ValueError:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self._transport.close()
            return
        if complete:
            self._transport.write(self._answer * complete)


def message(body: bytes) -> bytes:
    """A whole answer of status 200 with this body."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def serve(answer: bytes) -> None:
    lengths: dict[bytes, int] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Null(answer, lengths), "127.0.0.1", 0, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@dataclass(frozen=True, slots=True)
class Running:
    """A null server that runs."""

    port: int
    pid: int


@contextmanager
def running(body: bytes) -> Iterator[Running]:
    """A process that answers with this body, on the CPUs of the caller; it has ended when the block has."""
    with tempfile.NamedTemporaryFile(prefix="bench-") as file:
        file.write(body)
        file.flush()
        command = [sys.executable, "-m", "bench.load.null_server", file.name]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        ) as process:
            assert process.stdout is not None  # noqa: S101 - narrows the type for the checker
            try:
                yield Running(int(process.stdout.readline()), process.pid)
            finally:
                process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.load.null_server", description="answer and do nothing else")
    parser.add_argument("file", type=Path, metavar="FILE", help="the body of every answer")
    try:
        body = parser.parse_args().file.read_bytes()
    except OSError as error:
        parser.error(f"expected a file with the body of every answer: {error}")
    end_with_parent()
    gc.freeze()
    with asyncio.Runner(loop_factory=loop_factory(uvloop=True)) as runner:
        runner.run(serve(message(body)))


if __name__ == "__main__":
    main()
