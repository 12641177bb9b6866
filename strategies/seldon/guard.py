"""In front of Seldon's wrapper: how large a body may become, how long it may stall, and what it must hold.

The wrapper by itself answers most bad requests with a 500. ``guard`` is a blueprint, for that is what the wrapper
registers for a component with a ``model_error_handler``; so it guards under the stock command, too.
"""

import functools
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from flask import Blueprint, Flask, Response, current_app, jsonify, request
from flask.blueprints import BlueprintSetupState
from flask.json.provider import DefaultJSONProvider
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from messages import WANTED, check
from seldon_core.flask_utils import SeldonMicroserviceException, get_request  # type: ignore[import-untyped]
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from shared_models import InvalidInput

MAX_BODY = 16 * 2**20  # bytes
PATIENCE = 30.0  # seconds without a byte of the body
# The wrapper's functions that take a message, by the names of their routes.
ENDPOINTS = frozenset({"Predict", "TransformInput", "TransformOutput", "Route", "Aggregate", "SendFeedback"})

guard = Blueprint("guard", __name__)


class Json(DefaultJSONProvider):
    """orjson in place of the standard library: quicker, and NaN and Infinity, which are not JSON, are refused."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:  # noqa: ARG002 - Flask's signature
        return orjson.loads(s)

    def response(self, *values: Any, **named: Any) -> Response:
        content = self._prepare_response_obj(values, named)
        try:
            body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:  # what a component put into its tags, and orjson does not know
            return super().response(content)
        return Response(body, mimetype="application/json")


class Body:
    """WSGI middleware: reads the whole body, so that the wrapper gets one that is complete."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._next: Callable[..., Iterable[bytes]] = app.wsgi_app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        try:
            body = _read(environ)
        except SeldonMicroserviceException as error:
            with self._app.app_context():
                answer = refusal(error.message, error.status_code)
            return answer(environ, start_response)
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        return self._next(environ, start_response)


def _read(environ: Mapping[str, Any]) -> bytes:
    """The whole body. Raises SeldonMicroserviceException."""
    declared = environ.get("CONTENT_LENGTH") or ""
    size = int(declared) if declared.isdecimal() else None
    if not size and environ.get("HTTP_TRANSFER_ENCODING") is None:
        return b""
    # gunicorn's own timeout watches over the worker, not over its clients.
    if connection := environ.get("gunicorn.socket"):
        connection.settimeout(PATIENCE)
    try:
        body: bytes = b"" if (size or 0) > MAX_BODY else environ["wsgi.input"].read(MAX_BODY + 1)
    except (OSError, ParseException):  # it stalled, or its chunks are malformed
        body, size = b"", size or 1
    if max(size or 0, len(body)) > MAX_BODY:
        raise SeldonMicroserviceException(f"expected a body of at most {MAX_BODY} bytes; found a larger one", 413)
    if size is not None and len(body) < size:
        raise SeldonMicroserviceException("expected the rest of the body; found its end, or nothing for too long")
    return body


@guard.record
def install(state: BlueprintSetupState) -> None:
    """What a blueprint cannot have: a middleware, and another reader and writer of JSON."""
    state.app.json = Json(state.app)
    state.app.wsgi_app = Body(state.app)  # type: ignore[method-assign]


@functools.cache
def _routes(app: Flask) -> dict[str, set[str]]:
    """The methods of each path; of the files that the wrapper would serve from its own folder, none."""
    found: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static":
            found.setdefault(rule.rule, set()).update(rule.methods or ())
    return found


@guard.before_app_request
def check_request() -> None:
    """Refuse what the wrapper would stumble over."""
    methods = _routes(current_app._get_current_object()).get(request.path)  # type: ignore[attr-defined]  # noqa: SLF001
    if methods is None:
        raise NotFound
    if request.method not in methods:
        raise MethodNotAllowed(sorted(methods))
    if request.endpoint in ENDPOINTS and request.method != "OPTIONS":
        content = _content()
        text = request.get_data() if request.is_json else b"true"
        booleans = b"true" in text or b"false" in text
        for message in _messages(content):
            check(message, booleans)


def _content() -> Any:
    """What the wrapper will read, for it is the wrapper's own reader. Raises InvalidInput."""
    try:
        content = get_request()
        for file in request.files.values():  # the wrapper will read them, too
            file.seek(0)
        return content
    except SeldonMicroserviceException:
        if not request.is_json:
            found = f"the content type {request.content_type!r:.100}" if request.content_type else "no content type"
            raise InvalidInput(f"{WANTED}, and the content type application/json; found {found}") from None
    except (ValueError, RecursionError, LookupError) as error:  # in a form, a query or a part, or an unknown charset
        raise InvalidInput(f"{WANTED}; found what cannot be read: {error}") from None
    try:
        orjson.loads(request.get_data())
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"{WANTED}; found malformed JSON: {error}") from None
    raise InvalidInput(f"{WANTED}; found null or what is no JSON")


def _messages(content: Any) -> list[Any]:
    """The messages with data in it: one, those to be aggregated, or a feedback's."""
    if request.endpoint == "Aggregate":
        messages = content.get("seldonMessages") if isinstance(content, dict) else content
        if not isinstance(messages, list) or not messages:
            raise InvalidInput('expected {"seldonMessages": [...]} with a message at least; found another')
        return messages
    if request.endpoint == "SendFeedback":
        if not isinstance(content, dict):
            raise InvalidInput('expected {"request": {...}, "response": {...}, "reward": 1.0}; found no object')
        return [content[key] for key in ("request", "truth") if key in content]
    return [content]


@guard.app_errorhandler(InvalidInput)
def refuse(error: InvalidInput) -> Response:
    return refusal(str(error), 400)


@guard.app_errorhandler(HTTPException)
def explain(error: HTTPException) -> Response:
    headers = dict(error.get_headers())
    found = f"found {request.method} {request.path}"
    of_a_graph = "; that is a graph's, served by `.venv/bin/servelab graph run`"
    hint = of_a_graph if request.path.startswith("/seldon/") else ""
    message = {
        404: f"expected a route of Seldon's wrapper, such as POST /api/v1.0/predictions; {found}{hint}",
        405: f"expected one of the methods {headers.get('Allow')}; {found}",
    }.get(error.code or 0, error.description or "")
    response = refusal(message, error.code or 500)
    if "Allow" in headers:
        response.headers["Allow"] = headers["Allow"]
    return response


def refusal(message: str, status: int) -> Response:
    """A refusal in the wrapper's own form."""
    response: Response = jsonify(SeldonMicroserviceException(message).to_dict())
    response.status_code = status
    return response
