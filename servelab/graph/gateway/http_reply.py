"""The gateway's answers over HTTP: the executor's headers, and its form of an error."""

import asyncio
import html
from collections.abc import Awaitable

import orjson
from aiohttp import web

from servelab.graph import codec_json
from servelab.graph.gateway.http_caller import PUID, Refused
from servelab.graph.walk import Message, WalkError

# executor/api/rest/middlewares.go of Seldon Core 1.17.1
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, OPTIONS, POST",
    "Access-Control-Allow-Headers": (
        "Accept, Accept-Encoding, Authorization, Content-Length, Content-Type, X-CSRF-Token"
    ),
}
JSON = "application/json"
# The executor writes the status of an error before its content type, and Go then guesses one from the body.
TEXT = "text/plain; charset=utf-8"
LARGE = 2**16  # bytes, from which an answer may wait for its client to read
PATIENCE = 30.0  # seconds for a client that stalls: to send its body, to take its answer


def answer(message: Message, puid: str) -> web.Response:
    """A component's good answer."""
    return _reply(200, codec_json.escaped(message), message.content_type, puid, message.content_encoding)


def refusal(status: int, message: Message, puid: str) -> web.Response:
    """A component's answer of another status than 200, as it is."""
    return _reply(status, codec_json.escaped(message), TEXT, puid, message.content_encoding)


def failure(status: int, info: str, puid: str = "", *, content_type: str = TEXT) -> web.Response:
    """An error of the gateway's own, in the form of the executor's."""
    body = orjson.dumps({"status": {"code": status, "info": info, "status": "FAILURE"}})
    return _reply(status, codec_json.escaped(Message(body)), content_type, puid)


def json(value: object, puid: str = "") -> web.Response:
    """A good answer of the gateway's own."""
    return _reply(200, orjson.dumps(value), JSON, puid)


def page(title: str, body: str) -> web.Response:
    """A page that loads nothing; ``body`` is HTML."""
    style = "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    style += "pre,textarea{background:#f4f4f4;padding:.6em;overflow:auto;width:100%;box-sizing:border-box}"
    style += "pre{white-space:pre-wrap;overflow-wrap:anywhere}pre:empty{display:none}"
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{style}</style><h1>{html.escape(title)}</h1>{body}</html>"
    )
    return _reply(200, text.encode(), "text/html; charset=utf-8", "")


def text(body: str, content_type: str = TEXT) -> web.Response:
    """Plain words, or figures."""
    return _reply(200, body.encode(), content_type, "")


def preflight() -> web.Response:
    """The answer to OPTIONS (https://fetch.spec.whatwg.org/#cors-preflight-request)."""
    return _reply(200, b"", "", "")


async def answered(asked: Awaitable[Message], puid: str) -> web.Response:
    """The walk's end as an answer."""
    try:
        return answer(await asked, puid)
    except Refused as refused:
        return refusal(refused.status, refused.message, puid)
    except WalkError as error:
        return failure(400 if error.client else 500, str(error), puid)


async def finish(response: web.Response, request: web.BaseRequest) -> web.Response:
    """Send a large answer, and hang up on a client that does not take it; a small one waits for nobody."""
    if isinstance(response.body, bytes) and len(response.body) > LARGE:
        try:
            async with asyncio.timeout(PATIENCE):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
    return response


def _reply(status: int, body: bytes, content_type: str, puid: str, content_encoding: str = "") -> web.Response:
    headers = HEADERS.copy()
    if puid:
        headers[PUID] = puid
    if content_type:
        headers["Content-Type"] = content_type
    if content_encoding:
        headers["Content-Encoding"] = content_encoding
    return web.Response(status=status, body=body, headers=headers)
