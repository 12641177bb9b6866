"""In front of MLflow's scoring server: how large a body may become, how long it may stall, and what it must hold."""

import asyncio

from forms import CSV, JSON, Forms
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared_models import InvalidInput

ROUTE = "/invocations"
MAX_BODY = 16 * 2**20  # bytes
PATIENCE = 30.0  # seconds without a byte of the body
# Bytes of body read in the event loop, within a millisecond; a larger one must not hold up other clients.
INLINE = 64 * 2**10
CODES = {400: "BAD_REQUEST", 408: "REQUEST_TIMEOUT", 413: "REQUEST_TOO_LARGE", 415: "UNSUPPORTED_MEDIA_TYPE"}


class Refused(Exception):
    """A request that is answered with this status and message, in the form of MLflow's own refusals."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Guard:
    """ASGI middleware: hands to MLflow only what it will answer."""

    def __init__(self, app: ASGIApp, forms: Forms) -> None:
        self.app = app
        self.forms = forms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != ROUTE or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        headers = MutableHeaders(scope=scope)
        content_type = headers.get("content-type", "")
        try:
            body = await _read(headers.get("content-length", ""), receive)
            accepted, body = await self._accept(content_type, body)
        except Refused as error:
            answer = JSONResponse({"error_code": CODES[error.status], "message": str(error)}, error.status)
            await answer(scope, receive, send)
            return
        if accepted != content_type:
            headers["content-type"] = accepted
        whole: Message | None = {"type": "http.request", "body": body, "more_body": False}

        async def replay() -> Message:
            nonlocal whole
            message, whole = whole, None
            return message or await receive()  # who asks again waits for the client to leave

        await self.app(scope, replay, send)

    async def _accept(self, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Content type and body for MLflow. Raises Refused."""
        kind = content_type.partition(";")[0].strip()
        if kind not in (JSON, CSV):
            raise Refused(415, f"expected the content type {JSON} or {CSV}; found {content_type[:100] or 'none'}")
        try:
            if len(body) <= INLINE:
                accepted, body = self.forms.accept(kind, body)
            else:
                accepted, body = await asyncio.to_thread(self.forms.accept, kind, body)
        except InvalidInput as error:
            raise Refused(400, str(error)) from None
        return content_type if accepted == kind else accepted, body


async def _read(declared: str, receive: Receive) -> bytes:
    """The whole body. Raises Refused."""
    size = int(declared) if declared.isdecimal() else 0
    parts: list[bytes] = []
    received, more = 0, True
    while more and max(size, received) <= MAX_BODY:
        try:
            async with asyncio.timeout(PATIENCE):
                message = await receive()
        except TimeoutError:
            raise Refused(408, f"expected the rest of the body; found nothing for {PATIENCE:g} s") from None
        if message["type"] == "http.disconnect":
            raise Refused(408, "expected the rest of the body; found that the client had left")
        parts.append(message["body"])
        received += len(message["body"])
        more = message["more_body"]
    if max(size, received) > MAX_BODY:  # declared so, and not a byte of it read, or found so
        raise Refused(413, f"expected a body of at most {MAX_BODY} bytes; found a larger one")
    return b"".join(parts)
