"""The handlers of variants.py, and a count of the connections over which each was asked: the check reads it.

`GET /connections` answers `{"blocking": 34, ...}`.
"""

import json
from collections import defaultdict
from typing import Any

from variants import app as variants  # of the exercise, which is the working folder

seen: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application."""
    if scope["type"] == "http" and scope["path"] == "/connections":
        body = json.dumps({variant: len(clients) for variant, clients in seen.items()}).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})
        return
    if scope["type"] == "http":
        seen[scope["path"].split("/")[1]].add(tuple(scope["client"]))
    await variants(scope, receive, send)
