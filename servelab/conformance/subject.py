"""The server under test, as the checks see it."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from servelab import protocols
from servelab.conformance.answers import difference
from servelab.conformance.check import CheckFailed
from servelab.conformance.wire import DEADLINE, Closed, Connection, NoReply, Reply
from servelab.protocols.base import Request, excerpt
from servelab.server import Server
from shared_models import Golden


@dataclass(frozen=True, slots=True)
class Subject:
    """A running server, the goldens of its model (see `answers.right`), and the ways of asking it."""

    server: Server
    golden: Golden

    @property
    def host(self) -> str:
        """The Host header, ``name:port``."""
        return urlsplit(self.server.url).netloc

    def connect(self, timeout: float = DEADLINE) -> Connection:
        """A new connection to the server. Raises NoReply."""
        return Connection((urlsplit(self.server.url).hostname or "", self.server.port), timeout)

    def to_bytes(self, request: Request) -> bytes:
        """The whole message, as the typed client would send it."""
        return request.to_bytes(self.host)

    def ask(self, request: Request) -> Reply:
        """Send a request on a new connection. Raises NoReply."""
        with self.connect() as connection:
            return connection.exchange(self.to_bytes(request))

    def good(self, rows: int = 1, start: int = 0) -> tuple[Request, NDArray[Any]]:
        """A right request in the strategy's dialect with so many goldens (again from the first after the last), and
        the right answer to it."""
        picked = np.arange(start, start + rows) % len(self.golden.inputs)
        protocol = protocols.get(self.server.strategy.protocol)
        return protocol.encode(self.golden.inputs[picked], self.server.model), self.golden.outputs[..., picked, :]

    def require_right(self, reply: Reply, expected: NDArray[Any], sent: Request, protocol: str | None = None) -> None:
        """CheckFailed unless the reply is a 200 that decodes to the expected answer."""
        problem = f"expected 200 with the right answer; came back {reply}"
        if reply.status == 200:
            try:
                decoded = protocols.get(protocol or self.server.strategy.protocol).decode(reply.headers, reply.body)
                problem = difference(decoded, expected)
            except protocols.DecodeError as error:
                problem = str(error)
        if problem:
            raise CheckFailed(f"sent {describe(sent)}\n{problem}")

    def require_predicts(self, connection: Connection | None = None) -> None:
        """CheckFailed unless the server predicts: on this connection, or on a new one when it has closed this."""
        request, expected = self.good()
        try:
            try:
                reply = connection.exchange(self.to_bytes(request)) if connection else self.ask(request)
            except Closed:
                reply = self.ask(request)
            self.require_right(reply, expected, request)
        except (NoReply, CheckFailed) as error:
            where = "on the same connection" if connection else "on a new connection"
            raise CheckFailed(f"afterwards the server no longer predicts, {where}: {error}") from None

    def predicts(self) -> bool:
        """Whether a new connection gets a right answer."""
        try:
            self.require_predicts()
        except CheckFailed:
            return False
        return True


def describe(request: Request) -> str:
    """The start of a request, for a message."""
    kind = next((value for name, value in request.headers if name.lower() == "content-type"), "no content type")
    return f"{request.method} {request.path}, {kind}, {excerpt(request.body, 120)}"
