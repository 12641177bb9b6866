"""Asks the components of a graph over REST, the bytes as they came."""

import asyncio
import io
import time
from functools import lru_cache

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from servelab.graph.gateway.live import Endpoint, Live
from servelab.graph.gateway.metrics import Metrics
from servelab.graph.manifest import Predictor, Unit
from servelab.graph.walk import Message, Method, WalkError

PUID = "Seldon-Puid"
# Seconds for a component that refuses connections to come back: it is being started again.
RESTART = 10.0
PAUSE = 0.05  # seconds between two tries
# Seconds for which an idle connection is kept: less than a component keeps it (gunicorn: 2), so that none is closed
# there while a request is being written to it here.
KEEP_ALIVE = 1.0
LARGE = 2**20  # bytes, from which aiohttp warns of a body in one piece
# The payload's own, which travel with it, and what concerns one connection only (RFC 9110, 7.6.1).
_NOT_FORWARDED = (
    *("Content-Type", "Content-Encoding", "Content-Length", "Host", "Connection", "Keep-Alive", "Transfer-Encoding"),
    *("TE", "Trailer", "Upgrade", "Expect", "Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate"),
)


class Refused(Exception):
    """A component answered otherwise than with 200: its status and its message are the answer to the client."""

    def __init__(self, status: int, message: Message) -> None:
        super().__init__(f"a component answered {status}")
        self.status = status
        self.message = message


class Pool:
    """The kept-alive connections to all components. Made and closed within a running event loop."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, use_dns_cache=False),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # a payload stays as it is encoded
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self.session.close()


class HttpCaller:
    """Asks for one request; its headers, but those of the payload and of the connection, go to every component."""

    __slots__ = ("_headers", "_live", "_pool", "_predictor")

    def __init__(self, pool: Pool, live: Live, predictor: Predictor, headers: CIMultiDictProxy[str], puid: str) -> None:
        self._pool, self._live, self._predictor = pool, live, predictor
        self._headers = CIMultiDict(headers)
        for name in _NOT_FORWARDED:
            self._headers.popall(name, None)
        self._headers[PUID] = puid

    async def __call__(self, unit: Unit, method: Method, message: Message) -> Message:
        """The component's answer. Raises Refused, and WalkError where none came."""
        return await self.ask(unit, f"/{method}", message)

    async def ask(self, unit: Unit, path: str, message: Message | None) -> Message:
        """POST the message, GET without one."""
        endpoint = self._live.endpoints.get((self._predictor.name, unit.name))
        if endpoint is None:
            raise WalkError(f"expected a component that serves {unit.name}; found none: a node without an image")
        headers = self._headers
        if message is not None and (message.content_type or message.content_encoding):
            headers = headers.copy()  # parallel calls share the others
            headers["Content-Type"] = message.content_type
            if message.content_encoding:
                headers["Content-Encoding"] = message.content_encoding
        http_method = "GET" if message is None else "POST"
        began = time.perf_counter()
        status, answer = await self._persist(http_method, _url(endpoint, path), headers, message, unit)
        whose, seconds = (self._live.deployment, self._predictor, unit), time.perf_counter() - began
        self._pool.metrics.asked(*whose, path, http_method.lower(), str(status), seconds)
        if status != 200:
            raise Refused(status, answer)
        return answer

    async def _persist(
        self, method: str, url: URL, headers: CIMultiDict[str], message: Message | None, unit: Unit
    ) -> tuple[int, Message]:
        """Try again while the component refuses the connection, when nothing was sent; never after it was."""
        timeout = self._live.timeout
        patience = time.monotonic() + min(timeout, RESTART)
        deadline = time.monotonic() + timeout
        while True:
            try:
                return await self._exchange(method, url, headers, message, deadline - time.monotonic())
            except aiohttp.ClientConnectorError as error:
                if time.monotonic() + PAUSE > patience:
                    raise _failed(unit, url, f"no connection for {min(timeout, RESTART):g} s ({error})") from None
                await asyncio.sleep(PAUSE)
            except TimeoutError:
                raise _failed(unit, url, f"no answer within {timeout:g} s") from None
            except (aiohttp.ClientError, OSError) as error:
                problem = str(error) or type(error).__name__
                raise _failed(unit, url, f"the connection broke off after the request was sent ({problem})") from None

    async def _exchange(
        self, method: str, url: URL, headers: CIMultiDict[str], message: Message | None, timeout: float
    ) -> tuple[int, Message]:
        async with self._pool.session.request(
            method,
            url,
            data=None if message is None else _data(message.body),
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout),
        ) as response:
            body = await response.read()
            kept = response.headers
            answer = Message(body, kept.get("Content-Type", ""), kept.get("Content-Encoding", ""))
            return response.status, answer


def _data(body: bytes) -> bytes | io.BytesIO:
    """A large body goes out in pieces, between which other requests have their turn."""
    return body if len(body) <= LARGE else io.BytesIO(body)


@lru_cache(1024)  # a URL takes as long to build as the rest of a request's head
def _url(endpoint: Endpoint, path: str) -> URL:
    host, port = endpoint.http
    return URL.build(scheme="http", host=host, port=port, path=path)


def _failed(unit: Unit, url: URL, problem: str) -> WalkError:
    return WalkError(f"{unit.name}: expected an answer of {url}; found {problem}; its log says why. Try again")
