"""The gateway's routes: what a path says, and what to say of a path or a method that is none."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from aiohttp import web

from servelab.graph.gateway import http_reply
from servelab.graph.gateway.live import Live

WITHOUT_DEPLOYMENT = ("ready", "live", "prometheus")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and what its path says: the deployment, and the last part where the route ends in ``*``."""

    request: web.Request
    body: bytes
    live: Live | None
    argument: str
    puid: str

    @property
    def deployment(self) -> Live:
        """The one whose request it is; only the routes of WITHOUT_DEPLOYMENT may come without."""
        if self.live is None:
            raise LookupError(f"no deployment for {self.request.path}")
        return self.live


Handler = Callable[[Asked], Awaitable[web.Response]]


def parts(path: str) -> tuple[str, str, str]:
    """Namespace, name and the rest of /seldon/<namespace>/<name>/<rest>; the first two empty without that prefix.

    /seldon/<name>/api/... names no namespace, as Ambassador's single namespace does.
    """
    parts = path.split("/", 4)
    if parts[1] != "seldon" or len(parts) < 5:
        return "", "", path[1:]
    _, _, namespace, name, rest = parts
    if name == "api" and rest.startswith(("v0.1/", "v1.0/")):
        return "", namespace, f"api/{rest}"
    return namespace, name, rest


def pattern_of(path: str, routes: Iterable[str]) -> tuple[str, str]:
    """The key of the route, and what stands for its ``*``."""
    if path in routes:
        return path, ""
    head, _, argument = path.rpartition("/")
    return f"{head}/*", argument


def not_found(info: str) -> web.Response:
    """404: what was expected, and what was found."""
    return http_reply.failure(404, info, content_type=http_reply.JSON)


def wrong_method(request: web.Request, method: str) -> web.Response:
    """405: the route takes ``method`` alone."""
    info = f"expected {method}; found {request.method} {request.path}"
    response = http_reply.failure(405, info, content_type=http_reply.JSON)
    response.headers["Allow"] = f"{method}, OPTIONS"
    return response


def unknown(request: web.Request, path: str, routes: Iterable[str]) -> str:
    """What to say of a path that is none of the routes."""
    near = get_close_matches(path, routes, 1)
    hint = f"did you mean /{near[0]}?" if near else "such as POST .../api/v1.0/predictions, or GET .../api/v1.0/doc/"
    return f"expected a route of a deployment; found {request.method} {request.path}: {hint}"
