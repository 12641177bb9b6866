"""Exact bytes over a socket, and the answer that comes back.

The typed client cannot misbehave; a conformance check must: it stops in the middle, dribbles, hangs up, lies about
lengths. Everything here ends by a deadline, so that a server that hangs fails a check and does not hang the kit.
"""

import http.client
import io
import select
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

from servelab.protocols.base import excerpt

DEADLINE = 10.0  # seconds for one exchange: a server that needs longer counts as hanging
_PIECE = 1 << 16  # bytes per write, between which we look whether the server answers already


@dataclass(frozen=True, slots=True)
class Pause:
    """A step of sending: wait, but no longer than until the server answers."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HalfClose:
    """A step of sending: nothing more will come from this side."""


Step = bytes | Pause | HalfClose


class NoReply(Exception):
    """The server gave no whole answer; the message says what happened instead."""


class Silent(NoReply):
    """It neither answered nor closed the connection before the deadline."""


class Closed(NoReply):
    """It refused, closed or reset the connection, or broke off its answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer: status, headers (lower-case names), body; ``kept``: the connection may be used again."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    kept: bool

    @property
    def content_type(self) -> str:
        """The media type, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def __str__(self) -> str:
        return f"{self.status} {self.content_type or '(no content type)'} {excerpt(self.body)}"


class Connection:
    """One connection to a server, on which any bytes can be sent; a context manager. Raises Closed when refused."""

    def __init__(self, address: tuple[str, int], timeout: float = DEADLINE) -> None:
        self._timeout = timeout
        try:
            self._socket = socket.create_connection(address, timeout)
        except TimeoutError:
            raise Silent(f"nobody accepted the connection within {timeout:g} s") from None
        except OSError as error:
            raise Closed(f"no connection: {error.strerror or error}") from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._source = _Source(self._socket)
        self._stream = _Stream(self._source)
        self._sent_all = True

    def exchange(self, *steps: Step) -> Reply:
        """Send the steps in order and read one answer."""
        self.send(*steps)
        return self.reply()

    def send(self, *steps: Step) -> bool:
        """Send the steps in order; stop where the server answers or closes before it has all. Whether all went out."""
        self._source.deadline = time.monotonic() + self._timeout
        try:
            self._sent_all = all(self._step(step) for step in steps)
        except OSError as error:  # it closed, perhaps after it has answered: `reply` will tell
            if isinstance(error, TimeoutError):
                raise Silent(f"it stopped reading for {self._timeout:g} s, and did not answer") from None
            self._sent_all = False
        return self._sent_all

    def reply(self, timeout: float | None = None) -> Reply:
        """Read one answer. Raises Silent or Closed."""
        timeout = timeout or self._timeout
        self._source.deadline = time.monotonic() + timeout
        response = http.client.HTTPResponse(cast(socket.socket, self._stream))
        try:
            response.begin()
            body = response.read()
        except TimeoutError:
            raise Silent(f"no whole answer within {timeout:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise Closed(f"no whole answer: {type(error).__name__}: {error}") from None
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers, body, kept=self._sent_all and not response.will_close)

    def _step(self, step: Step) -> bool:
        if isinstance(step, Pause):
            return not self._readable(step.seconds)
        if isinstance(step, HalfClose):
            self._socket.shutdown(socket.SHUT_WR)
            return True
        rest = memoryview(step)
        while rest:
            left = self._source.deadline - time.monotonic()
            readable, writable, _ = select.select([self._socket], [self._socket], [], max(left, 0))
            if readable:
                return False
            if not writable:
                raise TimeoutError
            # Without blocking, for a socket is writable before a whole piece fits into its buffer.
            self._socket.setblocking(False)
            rest = rest[self._socket.send(rest[:_PIECE]) :]
        return True

    def _readable(self, seconds: float) -> bool:
        return bool(select.select([self._socket], [], [], seconds)[0])

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Source(io.RawIOBase):
    """The bytes that arrive, until a deadline for all of them together."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self.deadline = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        self._socket.settimeout(max(self.deadline - time.monotonic(), 0.001))
        return self._socket.recv_into(cast(bytearray, buffer))


class _Stream(io.BufferedReader):
    """What http.client takes for a socket; it outlives a response, so bytes that nobody asked for are not lost."""

    def makefile(self, mode: str) -> Self:  # noqa: ARG002 - the signature of a socket
        return self

    def close(self) -> None:
        """Stay open: http.client closes this with each response, and the next follows on the same connection."""
