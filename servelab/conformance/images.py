"""Routes that take an image file: every common form answered rightly, everything else refused with a reason."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from servelab.conformance import pictures
from servelab.conformance.bodies import LIMIT
from servelab.conformance.case import NEVER, REFUSED, Case
from servelab.conformance.check import Check, CheckFailed
from servelab.conformance.subject import Subject, describe
from servelab.protocols import image
from servelab.protocols.base import JSON, Request
from servelab.strategy import Route, Strategy
from shared_models import Model

PROTOCOL = "image"
# What every image route must answer; other forms it may refuse, but never answer wrongly.
PLAIN = ("jpg", "png", "small", "black-on-white", "exif-rotated")
Headers = tuple[tuple[str, str], ...]
SEED_ROUTE = "/prediction"


def checks(strategy: Strategy, model: Model) -> Iterator[Check]:
    """The checks of the strategy's image route; a single skip when there is none for this model."""
    routes = strategy.routes(PROTOCOL, model.name)
    if not routes or not model.takes_images:
        yield Check("image/samples", _samples, f"a strategy without an image route for {model.name}")
        return
    route, digit = routes[0], pictures.Digit.of(model)
    yield Check("image/samples", _samples)
    seed = "" if route.route == SEED_ROUTE else "an image route that is not the seed's"
    yield Check("image/seed-root", _seed_root, seed)
    for case in (*_files(digit, route), *_forms(digit, route)):
        yield case.check("image")


def _upload(route: Route, data: bytes, filename: str) -> Request:
    return dataclasses.replace(image.upload(data, filename), path=route.route)


def _samples(subject: Subject) -> None:
    """Each sample file of the model is answered in exactly the seed's sentence, with the label that the model itself
    gives it (a weak version may misread one; a server must not).
    """
    model = subject.server.model
    route = subject.server.strategy.routes(PROTOCOL, model.name)[0]
    folder = model.folder.parent / "samples"
    files = [file for file in sorted(folder.glob("*")) if re.fullmatch(r"\d+", file.stem)]
    if not files:
        raise CheckFailed(f"expected sample images named by their label, such as 1.jpg, in {folder}")
    for file in files:
        sent = _upload(route, file.read_bytes(), file.name)
        reply = subject.ask(sent)
        expected = [f"예측한 값은: {model.predict([model.preprocess(file.read_bytes())]).argmax()}입니다."]
        if reply.status != 200 or orjson.loads(reply.body) != expected:
            raise CheckFailed(f"sent {file.name}: {describe(sent)}\nexpected 200 {expected}; came back {reply}")


def _seed_root(subject: Subject) -> None:
    """The seed's ``GET /`` sends people to its route."""
    reply = subject.ask(Request("GET", "/", (), b""))
    expected = {"error": f"use POST {SEED_ROUTE} instead of root route"}
    if reply.status != 200 or orjson.loads(reply.body) != expected:
        raise CheckFailed(f"sent GET /\nexpected 200 {expected}; came back {reply}")


def _files(digit: pictures.Digit, route: Route) -> Iterator[Case]:
    def answer(subject: Subject) -> NDArray[Any]:  # noqa: ARG001 - the digit is the same for every subject
        return np.array([digit.label])

    for name, data in pictures.readable(digit).items():
        refusals = NEVER if name in PLAIN else REFUSED
        yield Case(name, _upload(route, data, f"{name}.img"), refusals, answer, protocol=PROTOCOL)
    for name, data in pictures.unreadable(digit).items():
        yield Case(name, _upload(route, data, f"{name}.png"), protocol=PROTOCOL)
    large = pictures.readable(digit)["png"] + bytes(LIMIT)
    yield Case("over-limit", _upload(route, large, "large.png"), refusals=(413,), protocol=PROTOCOL)


def _forms(digit: pictures.Digit, route: Route) -> Iterator[Case]:
    """Bodies that are no form with the one field ``image``."""
    good = _upload(route, pictures.readable(digit)["png"], "digit.png")

    def case(name: str, body: bytes, *mention: str, headers: Headers = good.headers) -> Case:
        return Case(name, dataclasses.replace(good, body=body, headers=headers), mention=mention, protocol=PROTOCOL)

    yield case("missing-field", good.body.replace(b'name="image"', b'name="picture"'), "image")
    yield case("text-field", good.body.replace(b'; filename="digit.png"', b""))
    yield case("empty-body", b"")
    yield case("truncated-form", good.body[: len(good.body) // 2])
    yield case("not-multipart", b'{"image": "digit.png"}', headers=JSON)
    yield case("no-content-type", good.body, headers=())
    yield case("no-boundary", good.body, headers=(("Content-Type", "multipart/form-data"),))
    yield case("other-boundary", good.body, headers=(("Content-Type", "multipart/form-data; boundary=other"),))
    yield Case("method-get", Request("GET", route.route, (), b""), refusals=(405,))
