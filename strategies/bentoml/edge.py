"""What BentoML leaves open at its edge: how large a body may become, what a 404 says, whom its page may call."""

from http import HTTPStatus

from bentoml.exceptions import BentoMLException
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 16 * 2**20  # bytes
# BentoML's own page reports its visitors to Google; under this policy a browser loads nothing from another host.
LOCAL = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"


class TooLarge(BentoMLException):
    """A body above `MAX_BODY`; BentoML answers with the status and the message."""

    error_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class Edge:
    """ASGI middleware around the routes of ``model``, of which ``route`` is one."""

    def __init__(self, app: ASGIApp, model: str, route: str) -> None:
        self.app = app
        self.expected = f"expected a route of the model {model}, such as POST {route}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request under the limit, its answer explained; "lifespan" passes as it is."""
        if scope["type"] == "http":
            await self.app(scope, _limited(scope, receive), self._explained(scope, receive, send))
        else:
            await self.app(scope, receive, send)

    def _explained(self, scope: Scope, receive: Receive, send: Send) -> Send:
        """A ``send`` that puts a message in the place of a bare 404 or 405, and `LOCAL` upon pages."""
        replaced = False

        async def explained(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                kind = headers.get("content-type", "")
                if kind.startswith("text/html"):
                    headers["content-security-policy"] = LOCAL
                elif message["status"] in (404, 405) and kind.startswith("text/plain"):
                    replaced = True
                    error = f"{self.expected}; found {scope['method']} {scope['path']}"
                    allowed = {"allow": headers["allow"]} if "allow" in headers else None
                    await JSONResponse({"error": error}, message["status"], allowed)(scope, receive, send)
            if not replaced:
                await send(message)

        return explained


def _limited(scope: Scope, receive: Receive) -> Receive:
    """A ``receive`` that raises `TooLarge` for a body that is declared, or turns out, to be."""
    declared = Headers(scope=scope).get("content-length", "")
    size = int(declared) if declared.isdecimal() else 0
    received = 0

    async def limited() -> Message:
        nonlocal received
        if size <= MAX_BODY:  # else not a byte of it is read
            message = await receive()
            received += len(message.get("body", b""))
            if received <= MAX_BODY:
                return message
        raise TooLarge(f"expected a body of at most {MAX_BODY} bytes; found a larger one")

    return limited
