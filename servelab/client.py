"""The common client: one way to ask any server, whatever its dialect, for predictions."""

import contextlib
import http.client
import threading
import urllib.parse
from types import TracebackType
from typing import Any, Self

from numpy.typing import ArrayLike, NDArray

import shared_models
from servelab import protocols
from servelab.errors import AddressError, RequestFailed
from servelab.protocols.base import DecodeError, Request, excerpt


class Client:
    """Talks to one server over one kept-alive connection; safe to share between threads, which then take turns.

    It writes the bytes of ``Request.to_bytes`` as they are: the load engine sends the very same.
    """

    def __init__(self, url: str, protocol: str, model: shared_models.Model, timeout: float = 30.0) -> None:
        address = parse_url(url)
        self.url = url.rstrip("/")
        self.model = model
        self.protocol = protocols.get(protocol)
        self._host = address.netloc
        self._path = address.path.rstrip("/")
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(address.hostname or "", address.port, timeout=timeout)
        self._lock = threading.Lock()

    def predict(self, batch: ArrayLike) -> NDArray[Any]:
        """The predictions of a batch, shape (N, *input shape) -> (N, classes).

        Raises InvalidInput for what the model could not answer, before anything is sent; RequestFailed with the status,
        the start of the answer and what was sent.
        """
        return self.send(self.protocol.encode(self.model.rows(batch), self.model))

    def send(self, request: Request) -> NDArray[Any]:
        """Send a request of this client's dialect and decode its answer."""
        status, headers, body = self.exchange(request)
        sent = f"{request.method} {request.path} {excerpt(request.body)}"
        details = {"status": status, "excerpt": excerpt(body), "sent": sent}
        if status != 200:
            raise RequestFailed(f"{self.url} answered {status}: {excerpt(body)}; sent {sent}", **details)  # type: ignore[arg-type]
        try:
            return self.protocol.decode(headers, body)
        except DecodeError as error:
            raise RequestFailed(f"{self.url} answered 200, but {error}; sent {sent}", **details) from error  # type: ignore[arg-type]

    def exchange(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """Send a request and read the answer: status, headers (lower-case names), body."""
        data = Request(request.method, self._path + request.path, request.headers, request.body).to_bytes(self._host)
        with self._lock:
            kept_alive = self._connection.sock is not None
            try:
                return self._exchange(data, request.method)
            except (http.client.HTTPException, OSError) as error:
                self._connection.close()
                # A server may close an idle connection at any time (RFC 9112, 9.3.1): only then is a second try right.
                if kept_alive and isinstance(error, http.client.RemoteDisconnected | ConnectionError):
                    try:
                        return self._exchange(data, request.method)
                    except (http.client.HTTPException, OSError) as again:
                        self._connection.close()
                        error = again
                problem = f"{type(error).__name__}: {error}"
                raise RequestFailed(
                    f"{self.url} gave no answer ({problem}); is the server running? See its log",
                    sent=f"{request.method} {request.path}",
                ) from error

    def _exchange(self, data: bytes, method: str) -> tuple[int, dict[str, str], bytes]:
        if self._connection.sock is None:
            self._connection.connect()
        self._connection.sock.sendall(data)
        with contextlib.closing(http.client.HTTPResponse(self._connection.sock, method=method)) as response:
            response.begin()
            body = response.read()
        if response.will_close:
            self._connection.close()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, body

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def parse_url(url: str) -> urllib.parse.SplitResult:
    """The parts of a URL that a server can be reached at; AddressError for anything else."""
    try:
        address = urllib.parse.urlsplit(url)
        if url.isascii() and address.scheme in ("http", "https") and address.hostname and address.port != 0:
            return address
    except ValueError:  # a port that is no number, or too large
        pass
    raise AddressError(f"expected a URL such as http://127.0.0.1:8001; found {url!r}")


def connect(url: str, protocol: str = "v1", model: str = "iris", version: str | None = None) -> Client:
    """A client of a server that runs elsewhere; ``model`` says which input and labels it serves."""
    return Client(url, protocol, shared_models.load(model, version))
