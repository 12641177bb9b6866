"""What a client may send to the V1 route by mistake or malice: refused with a reason, or rightly answered."""

import dataclasses
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

_NUMBER = re.compile(rb"-?\d[\d.eE+-]*")
_LEVELS = 100_000  # deep enough for every recursive parser's end, at one byte per level


def checks(strategy: Strategy, model: Model) -> Iterator[Check]:
    """A check per row of the tables below; skipped for a strategy that speaks another dialect."""
    skip = "" if speaks_v1(strategy, model) else "a strategy without the V1 dialect"
    for case in cases(model):
        yield case.check("v1", skip)


def cases(model: Model) -> Iterator[Case]:
    """Every row of the tables below."""
    yield from _bodies(model)
    yield from _headers(model)
    yield from _routes(model)


def speaks_v1(strategy: Strategy, model: Model) -> bool:
    """Whether the V1 dialect is the strategy's own or one of its others."""
    return strategy.protocol == "v1" or bool(strategy.routes("v1", model.name))


def first_golden(model: Model) -> Request:
    """The right V1 request for the first golden."""
    return protocols.get("v1").encode(model.golden().inputs[:1], model)


def first_answer(subject: Subject) -> NDArray[Any]:
    """The right answer to it."""
    return subject.golden.outputs[:1]


def _bodies(model: Model) -> Iterator[Case]:
    """Bodies that differ from a right one in one thing. The texts of instances stand in ``{"instances": ...}``."""
    good = first_golden(model)
    golden = model.golden().inputs[0]
    row = to_json(golden)
    shape = tuple(rf"\b{size}\b" for size in model.input.shape[1:] if size is not None)
    open_sizes = "a model with open sizes" if None in model.input.shape[1:] else ""
    no_float32 = "" if model.input.dtype == "float32" else "a model of another dtype than float32"

    def case(name: str, body: bytes, mention: tuple[str, ...] = (), **more: Any) -> Case:
        return dataclasses.replace(Case(name, dataclasses.replace(good, body=body), mention=mention), **more)

    def instances(name: str, text: bytes, mention: tuple[str, ...] = (), **more: Any) -> Case:
        return case(name, b'{"instances": ' + text + b"}", mention, **more)

    def with_first(token: bytes) -> bytes:
        return b"[" + _NUMBER.sub(token, row, count=1) + b"]"

    def zeros(*sizes: int) -> bytes:
        return to_json(np.zeros(sizes, golden.dtype))

    yield case("good", good.body, answer=first_answer, refusals=NEVER)
    yield case("malformed-json", good.body[:-1])
    yield case("not-json", b"sepal_length=5.1")
    yield case("empty-body", b"")
    yield case("missing-key", b'{"inputs": [' + row + b"]}", ("instances",))
    yield case("empty-object", b"{}", ("instances",))
    yield case("root-is-list", b"[" + row + b"]")
    yield case("root-is-null", b"null")
    yield case("root-is-string", b'"instances"')
    yield case("root-is-number", b"3")
    yield case("not-utf-8", b'{"instances": "\xff\xfe\xfa"}')
    yield case("utf-16", good.body.decode().encode("utf-16"), answer=first_answer)
    yield case("byte-order-mark", b"\xef\xbb\xbf" + good.body, answer=first_answer)
    yield case("nul-bytes", b"\0" * 64)
    yield case("duplicate-keys", good.body[:-1] + b"," + good.body[1:], answer=first_answer)
    yield case("deeply-nested", b"[" * _LEVELS + b"]" * _LEVELS)
    yield case("deeply-nested-open", b'{"instances": ' + b"[" * _LEVELS)

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


def _headers(model: Model) -> Iterator[Case]:
    """A right body under other headers: refused, or answered all the same."""
    good = first_golden(model)
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


def _routes(model: Model) -> Iterator[Case]:
    """Other paths and methods than the right one."""
    good = first_golden(model)
    for name, path in (
        ("unknown-model", good.path.replace(model.name, "no-such-model")),
        ("longer-model-name", good.path.replace(model.name, model.name + "x")),
        ("unknown-verb", good.path.replace(":predict", ":no-such-verb")),
        ("unknown-path", "/no/such/path"),
        ("unknown-path-escaped", "/%00%ff/%2e%2e/%2e%2e"),
    ):
        yield Case(name, dataclasses.replace(good, path=path), refusals=(404,))
    for method in ("GET", "PUT", "DELETE"):
        yield Case(f"method-{method.lower()}", Request(method, good.path, (), b""), refusals=(405,))
