"""What neither FastAPI nor uvicorn limits: how large a body may become, and how long it may stall."""

import asyncio

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 16 * 2**20  # bytes
PATIENCE = 30.0  # seconds without a byte of the body


class BodyLimit:
    """ASGI middleware: a body above `MAX_BODY`, declared or chunked, is a 413; one that stalls for `PATIENCE` a 408."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # "lifespan" waits as long as the server lives
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        size = int(declared) if declared.isdecimal() else 0
        received, complete = 0, False

        async def limited() -> Message:
            nonlocal received, complete
            if complete:  # who asks now waits for the client to leave
                return await receive()
            if size > MAX_BODY:  # before a byte of it is read, or asked for by "100 Continue"
                raise _too_large()
            try:
                async with asyncio.timeout(PATIENCE):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"expected the rest of the body; found nothing for {PATIENCE:g} s") from None
            if message["type"] == "http.disconnect":
                raise HTTPException(408, "expected the rest of the body; found that the client had left")
            received += len(message["body"])
            if received > MAX_BODY:
                raise _too_large()
            complete = not message["more_body"]
            return message

        await self.app(scope, limited, send)


def _too_large() -> HTTPException:
    return HTTPException(413, f"expected a body of at most {MAX_BODY} bytes; found a larger one")
