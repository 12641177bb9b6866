"""What people and machines read with GET: health, documentation, metrics; and routes that this model has no use for."""

import re
from collections.abc import Iterator
from functools import partial
from urllib.parse import urljoin, urlsplit

from servelab.conformance.case import require_refusal
from servelab.conformance.check import Check, CheckFailed
from servelab.conformance.subject import Subject
from servelab.conformance.wire import Reply
from servelab.protocols import image
from servelab.protocols.base import JSON, Request
from servelab.strategy import Route, Strategy
from shared_models import Model

_ASSET = re.compile(r"""<(?:script|link|img)\b[^>]*?\b(?:src|href)\s*=\s*["']([^"']+)["']""", re.IGNORECASE)
# One sample of the Prometheus text exposition format, version 0.0.4: name, labels, value, perhaps a time.
_SAMPLE = re.compile(r"^[a-zA-Z_:][\w:]*(\{.*\})? [-+.\deE]+(NaN|Inf)?( -?\d+)?$", re.MULTILINE)


def checks(strategy: Strategy, model: Model) -> Iterator[Check]:
    """A check per page that strategy.toml names, and per route that serves other models than this."""
    for name, path, run in (
        ("health", strategy.health, _health),
        ("docs", strategy.docs, _docs),
        ("metrics", strategy.metrics, _metrics),
    ):
        yield Check(f"pages/{name}", partial(run, path), "" if path else f"a strategy without a {name} page")
    for route in strategy.also:
        # Of a model that the user brought, strategy.toml says nothing.
        if model.name in strategy.models and model.name not in route.models:
            yield Check(f"pages/no-use-for{route.route.replace('/', '-')}", partial(_no_use_for, route))


def _health(path: str, subject: Subject) -> None:
    _get(path, subject)


def _get(path: str, subject: Subject) -> Reply:
    reply = subject.ask(Request("GET", path, (), b""))
    if reply.status != 200:
        raise CheckFailed(f"sent GET {path}\nexpected 200; came back {reply}")
    return reply


def _docs(path: str, subject: Subject) -> None:
    """The page is HTML, and everything it loads comes from this server: it renders without a network."""
    reply = _get(path, subject)
    if "html" not in reply.content_type:
        raise CheckFailed(f"sent GET {path}\nexpected HTML; came back {reply}")
    for asset in _ASSET.findall(reply.body.decode("utf-8", "replace")):
        if asset.startswith("data:"):
            continue
        if urlsplit(asset).netloc not in ("", subject.host):
            raise CheckFailed(f"GET {path} loads {asset}\nexpected a page whose scripts, styles and images are local")
        _get(urljoin(path, urlsplit(asset).path), subject)


def _metrics(path: str, subject: Subject) -> None:
    subject.require_predicts()
    reply = _get(path, subject)
    if not _SAMPLE.search(reply.body.decode("utf-8", "replace")):
        raise CheckFailed(f"sent GET {path}\nexpected metrics in the Prometheus text format; came back {reply}")


def _no_use_for(route: Route, subject: Subject) -> None:
    """A route of the strategy that makes no sense for the served model is a 404 that says which model is served."""
    name = subject.server.model.name
    upload = image.upload(b"no image").headers if route.protocol == "image" else JSON
    reply = subject.ask(Request("POST", route.route, upload, b"{}"))
    require_refusal(reply, f"POST {route.route} to a server of {name}", (404,), (rf"\b{re.escape(name)}\b",))
