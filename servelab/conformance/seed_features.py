"""The Flask seed's own route: one row as named features, answered with its label."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from servelab import protocols
from servelab.conformance.case import NEVER, Case
from servelab.conformance.check import Check, CheckFailed
from servelab.conformance.subject import Subject, describe
from servelab.protocols.base import Request, to_json
from servelab.strategy import Route, Strategy
from shared_models import Model

PROTOCOL = "features"


def checks(strategy: Strategy, model: Model) -> Iterator[Check]:
    """The checks of the strategy's features route, skipped when there is none for this model."""
    routes = strategy.routes(PROTOCOL, model.name)
    skip = "" if routes and model.features else f"a strategy without a features route for {model.name}"
    yield Check("features/all-goldens", _all_goldens, skip)
    if skip:  # the rows need the names of the features
        return
    for case in _cases(model, routes[0]):
        yield case.check("features")


def _request(model: Model, route: Route, row: dict[str, Any]) -> Request:
    golden = protocols.get(PROTOCOL).encode(model.golden().inputs[:1], model)
    return dataclasses.replace(golden, path=route.route, body=to_json(row))


def _all_goldens(subject: Subject) -> None:
    """Every golden alone gives exactly ``{"result":[label]}``, a whole number, as the seed's notebook shows it."""
    model = subject.server.model
    route = subject.server.strategy.routes(PROTOCOL, model.name)[0]
    with subject.server.connect(PROTOCOL) as client:
        for row, output in zip(subject.golden.inputs, subject.golden.outputs, strict=True):
            sent = dataclasses.replace(protocols.get(PROTOCOL).encode(row[np.newaxis], model), path=route.route)
            status, _, body = client.exchange(sent)
            expected = {"result": [int(output.argmax())]}
            found = orjson.loads(body) if status == 200 else None
            if found != expected or type(found["result"][0]) is not int:
                raise CheckFailed(f"sent {describe(sent)}\nexpected 200 {expected}; came back {status} {body[:200]!r}")


def _label(subject: Subject) -> NDArray[Any]:
    labels: NDArray[Any] = subject.golden.outputs[:1].argmax(axis=1)
    return labels


def _cases(model: Model, route: Route) -> Iterator[Case]:
    row = dict(zip(model.features, model.golden().inputs[0].tolist(), strict=True))
    good = _request(model, route, row)
    name = model.features[-1]

    def case(title: str, body: bytes, *mention: str, **more: Any) -> Case:
        return Case(title, dataclasses.replace(good, body=body), mention=mention, protocol=PROTOCOL, **more)

    for feature in model.features:
        rest = {key: value for key, value in row.items() if key != feature}
        yield case(f"missing-{feature}", to_json(rest), re.escape(feature), refusals=(400,))
    yield case("string", to_json(row | {name: "a"}))
    yield case("null", to_json(row | {name: None}))
    yield case("list", to_json(row | {name: [1.0]}))
    yield case("object", to_json(row | {name: {}}))
    yield case("nan", to_json(row | {name: 0.0}).replace(b":0.0", b":NaN"))
    yield case("numeric-string", to_json(row | {name: "5.1"}))
    yield case("not-json", b"sepal_length=5.1")
    yield case("empty-body", b"")
    yield case("root-is-list", to_json([row]))
    yield case("root-is-null", b"null")
    yield case("unknown-feature", to_json(row | {"colour": 1}), answer=_label)
    # The seed reads its body with get_json(force=True): whatever the content type says.
    for title, headers in (("text-plain", (("Content-Type", "text/plain"),)), ("no-content-type", ())):
        request = dataclasses.replace(good, headers=headers)
        yield Case(title, request, NEVER, _label, protocol=PROTOCOL)
    yield Case("method-get", Request("GET", route.route, (), b""), refusals=(405,))
