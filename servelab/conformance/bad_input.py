"""What a client may send by mistake or malice instead of a batch of nested lists: refused with a reason, or rightly
answered. The dialects that carry such a batch in a JSON body, V1, /invocations and Seldon's, share these tables."""

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servelab import protocols
from servelab.conformance.case import NEVER, REFUSED, Case
from servelab.conformance.check import Check
from servelab.conformance.subject import Subject
from servelab.protocols.base import JSON, Request, to_json
from servelab.strategy import Strategy
from shared_models import Model

DIALECTS = ("v1", "invocations", "seldon")
NO_DIALECT = "a strategy without the V1, the /invocations or Seldon's dialect"
_NUMBER = re.compile(rb"-?\d[\d.eE+-]*")
_LEVELS = 100_000  # deep enough for every recursive parser's end, at one byte per level


def checks(strategy: Strategy, model: Model) -> Iterator[Check]:
    """A check per row of the tables below; skipped for a strategy that speaks no such dialect."""
    name = dialect(strategy, model)
    for case in cases(model, name or DIALECTS[0]):
        yield case.check(case.protocol, "" if name else NO_DIALECT)


def cases(model: Model, name: str) -> Iterator[Case]:
    """Every row of the tables below, in that dialect."""
    good = first_golden(model, name)
    for case in (*_bodies(model, good), *_headers(good), *_routes(model, good)):
        yield dataclasses.replace(case, protocol=name)


def dialect(strategy: Strategy, model: Model) -> str:
    """The one of DIALECTS that the strategy speaks for this model: its own, else one of its others; empty if none."""
    spoken = [strategy.protocol, *(route.protocol for route in strategy.also if model.name in route.models)]
    return next((name for name in spoken if name in DIALECTS), "")


def first_golden(model: Model, name: str) -> Request:
    """The right request for the first golden, in that dialect."""
    return protocols.get(name).encode(model.golden().inputs[:1], model)


def first_answer(subject: Subject) -> NDArray[Any]:
    """The right answer to it."""
    return subject.golden.outputs[..., :1, :]


def _bodies(model: Model, good: Request) -> Iterator[Case]:
    """Bodies that differ from a right one in one thing. The texts of instances stand where that has its batch."""
    golden = model.golden().inputs[0]
    row = to_json(golden)
    head, _, tail = good.body.partition(b"[" + row + b"]")
    (key,) = json.loads(good.body)
    shape = tuple(rf"\b{size}\b" for size in model.input.shape[1:] if size is not None)
    open_sizes = "a model with open sizes" if None in model.input.shape[1:] else ""
    no_float32 = "" if model.input.dtype == "float32" else "a model of another dtype than float32"

    def case(name: str, body: bytes, mention: tuple[str, ...] = (), **more: Any) -> Case:
        return dataclasses.replace(Case(name, dataclasses.replace(good, body=body), mention=mention), **more)

    def instances(name: str, text: bytes, mention: tuple[str, ...] = (), **more: Any) -> Case:
        return case(name, head + text + tail, mention, **more)

    def with_first(token: bytes) -> bytes:
        return b"[" + _NUMBER.sub(token, row, count=1) + b"]"

    def zeros(*sizes: int) -> bytes:
        return to_json(np.zeros(sizes, golden.dtype))

    yield case("good", good.body, answer=first_answer, refusals=NEVER)
    yield case("malformed-json", good.body[:-1])
    yield case("not-json", b"sepal_length=5.1")
    yield case("empty-body", b"")
    yield case("missing-key", b'{"rows": [' + row + b"]}", (key,))
    yield case("empty-object", b"{}", (key,))
    yield case("root-is-list", b"[" + row + b"]")
    yield case("root-is-null", b"null")
    yield case("root-is-string", to_json(key))
    yield case("root-is-number", b"3")
    yield case("not-utf-8", head + b'"\xff\xfe\xfa"' + tail)
    yield case("utf-16", good.body.decode().encode("utf-16"), answer=first_answer)
    yield case("byte-order-mark", b"\xef\xbb\xbf" + good.body, answer=first_answer)
    yield case("nul-bytes", b"\0" * 64)
    yield case("duplicate-keys", good.body[:-1] + b"," + good.body[1:], answer=first_answer)
    yield case("deeply-nested", b"[" * _LEVELS + b"]" * _LEVELS)
    yield case("deeply-nested-open", head + b"[" * _LEVELS)

    yield instances("wider-row", zeros(1, *golden.shape[:-1], golden.shape[-1] + 1), shape, skip=open_sizes)
    yield instances("narrower-row", zeros(1, *golden.shape[:-1], golden.shape[-1] - 1), shape, skip=open_sizes)
    yield instances("too-few-dimensions", row, shape)
    yield instances("too-many-dimensions", b"[[" + row + b"]]", shape)
    yield instances("ragged-rows", b"[" + row + b"," + to_json(golden[:-1]) + b"]")
    yield instances("rows-of-rows-and-numbers", b"[" + row + b",1.5]")
    yield instances("empty-batch", b"[]")
    yield instances("empty-row", b"[[]]")
    yield instances("nested-100", b"[" * 100 + b"1" + b"]" * 100)
    yield instances("instances-null", b"null")
    yield instances("instances-number", b"5.1")
    yield instances("instances-string", b'"setosa"')
    yield instances("instances-object", b'{"a": 1}')
    yield instances("rows-as-objects", b'[{"a": 1}]')

    yield instances("string", with_first(b'"a"'))
    yield instances("numeric-string", with_first(b'"5.1"'))
    yield instances("null", with_first(b"null"))
    yield instances("boolean", with_first(b"true"))
    yield instances("all-booleans", to_json(np.ones((1, *golden.shape), bool)))
    yield instances("nan", with_first(b"NaN"))
    yield instances("infinity", with_first(b"Infinity"))
    yield instances("minus-infinity", with_first(b"-Infinity"))
    yield instances("1e400", with_first(b"1e400"))
    yield instances("beyond-float32", with_first(b"1e39"), skip=no_float32)
    yield instances("integer-of-400-digits", with_first(b"9" * 400))
    yield instances("integer-of-5000-digits", with_first(b"9" * 5000))  # Python's int() stops at 4300


def _headers(good: Request) -> Iterator[Case]:
    """A right body under other headers: refused, or answered all the same."""
    for name, value in (
        ("text-plain", "text/plain"),
        ("form-content-type", "application/x-www-form-urlencoded"),
        ("multipart-without-boundary", "multipart/form-data"),
        ("nonsense-content-type", ";;=/"),
        ("json-with-charset", "application/json; charset=utf-8"),
        ("json-with-unknown-charset", "application/json; charset=klingon"),
    ):
        refusals = NEVER if name == "json-with-charset" else REFUSED
        request = dataclasses.replace(good, headers=(("Content-Type", value),))
        yield Case(name, request, refusals, first_answer)
    yield Case("no-content-type", dataclasses.replace(good, headers=()), answer=first_answer)
    compressed = (*JSON, ("Content-Encoding", "gzip"))
    yield Case("not-really-gzip", dataclasses.replace(good, headers=compressed), answer=first_answer)


def _routes(model: Model, good: Request) -> Iterator[Case]:
    """Other paths and methods than the right one."""
    for name, path in (
        ("unknown-model", good.path.replace(model.name, "no-such-model")),
        ("longer-model-name", good.path.replace(model.name, model.name + "x")),
        ("unknown-verb", good.path.replace(":predict", ":no-such-verb")),
        ("unknown-path", "/no/such/path"),
        ("unknown-path-escaped", "/%00%ff/%2e%2e/%2e%2e"),
    ):
        skip = "a route that names no model" if path == good.path else ""
        yield Case(name, dataclasses.replace(good, path=path), refusals=(404,), skip=skip)
    for method in ("GET", "PUT", "DELETE"):
        yield Case(f"method-{method.lower()}", Request(method, good.path, (), b""), refusals=(405,))
