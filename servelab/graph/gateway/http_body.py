"""A request's body: how large it may become, and how long it may stall."""

import asyncio

from aiohttp import web

from servelab.graph.gateway import http_reply

MAX_BODY = 16 * 2**20  # bytes
PATIENCE = 30.0  # seconds for a whole body
GLANCE = 0.5  # seconds between looks at what the parser says of a body that does not end


class Unreadable(Exception):
    """A client sent too much, too little, or nothing for too long."""

    def __init__(self, status: int, info: str) -> None:
        super().__init__(info)
        self.status = status

    def answer(self) -> web.Response:
        """The error, and the end of the connection: who knows what comes next on it."""
        response = http_reply.failure(self.status, str(self), content_type=http_reply.JSON)
        response.force_close()
        return response


async def read(request: web.Request) -> bytes:
    """The body as it came. Raises Unreadable."""
    if (request.content_length or 0) > MAX_BODY:
        raise _too_large()
    try:
        async with asyncio.timeout(PATIENCE):
            return await (request.read() if request.content.is_eof() else _rest(request))
    except TimeoutError:
        raise Unreadable(408, f"expected the rest of the body within {PATIENCE:g} s; it did not come") from None
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None
    except (web.RequestPayloadError, ConnectionError, ValueError) as error:
        raise Unreadable(400, f"expected a whole body; found one that broke off ({error})") from None


async def _rest(request: web.Request) -> bytes:
    """A body that is still coming. Raises Unreadable as soon as it is known to be malformed.

    aiohttp tells the reader nothing of a malformed chunk: it queues the complaint as if it were the next request, and
    that cannot begin before this body's end.
    """
    whole = asyncio.ensure_future(request.read())
    try:
        while not (await asyncio.wait((whole,), timeout=GLANCE))[0]:
            if request.protocol._messages and not request.content.is_eof():  # noqa: SLF001 - it says so nowhere else
                raise Unreadable(400, "expected a whole body; found a malformed chunk")
        return whole.result()
    finally:
        whole.cancel()


def _too_large() -> Unreadable:
    return Unreadable(413, f"expected a body of at most {MAX_BODY} bytes; found a larger one")
