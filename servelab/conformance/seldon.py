"""Seldon's dialect beyond its rows: tensors, names, the other payloads, and what of a request's meta comes back."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import orjson

from servelab.conformance.bad_input import first_answer
from servelab.conformance.case import NEVER, Case
from servelab.conformance.check import Check, CheckFailed
from servelab.conformance.subject import Subject, describe
from servelab.protocols import seldon
from servelab.protocols.base import Request, to_json
from servelab.strategy import Strategy
from shared_models import Model

PROTOCOL = "seldon"
META = {"puid": "conformance-1", "tags": {"asked-by": "conformance"}}


def checks(strategy: Strategy, model: Model) -> Iterator[Check]:
    """A check per row of the table below, and those of meta; skipped for a strategy that speaks another dialect."""
    skip = "" if strategy.protocol == PROTOCOL else "a strategy without Seldon's dialect"
    for case in _cases(model):
        yield case.check("seldon-message", skip)
    yield Check("seldon-message/meta-comes-back", _meta, skip)
    yield Check("seldon-message/kind-of-the-request", _kind, skip)


def _cases(model: Model) -> Iterator[Case]:
    rows = model.golden().inputs[:1]
    good = seldon.encode(rows, model)

    def case(name: str, content: object, **more: Any) -> Case:
        return Case(name, dataclasses.replace(good, body=to_json(content)), protocol=PROTOCOL, **more)

    tensor = {"shape": list(rows.shape), "values": rows.reshape(-1)}
    names = [f"column {index}" for index in range(rows.shape[1])]
    for name, data in (("tensor", {"tensor": tensor}), ("names", {"names": names, "ndarray": rows})):
        yield case(name, {"data": data}, refusals=NEVER, answer=first_answer)
    for name, content in (
        ("json-data", {"jsonData": {"rows": rows}}),
        ("string-data", {"strData": "setosa"}),
        ("binary-data", {"binData": "AAAA"}),
        ("binary-data-not-base64", {"binData": "A"}),
        ("data-is-list", {"data": rows}),
        ("data-is-null", {"data": None}),
        ("data-without-rows", {"data": {"names": names}}),
        ("data-of-unknown-kind", {"data": {"matrix": rows}}),
        ("tensor-is-list", {"data": {"tensor": rows}}),
        ("tensor-without-shape", {"data": {"tensor": {"values": rows.reshape(-1)}}}),
        ("tensor-without-values", {"data": {"tensor": {"shape": list(rows.shape)}}}),
        ("tensor-of-another-shape", {"data": {"tensor": tensor | {"shape": [2, *rows.shape[1:]]}}}),
        ("tensor-of-negative-shape", {"data": {"tensor": tensor | {"shape": [-1, *rows.shape[1:]]}}}),
        ("tensor-of-strings", {"data": {"tensor": tensor | {"values": ["a"] * rows.size}}}),
    ):
        yield case(name, content)
    for name, meta in (
        ("meta-is-list", []),
        ("meta-is-null", None),
        ("tags-are-list", {"tags": ["a"]}),
        ("request-path-is-string", {"requestPath": "a"}),
    ):
        yield case(name, {"meta": meta, "data": {"ndarray": rows}})


def _ask(subject: Subject, content: object) -> tuple[Request, dict[str, Any]]:
    """The answer to a right request with that content, decoded; CheckFailed unless it is right."""
    sent = dataclasses.replace(seldon.encode(subject.golden.inputs[:1], subject.server.model), body=to_json(content))
    reply = subject.ask(sent)
    subject.require_right(reply, first_answer(subject), sent, PROTOCOL)
    return sent, orjson.loads(reply.body)


def _meta(subject: Subject) -> None:
    """The client's puid and tags come back, its tags perhaps among others."""
    sent, answer = _ask(subject, {"meta": META, "data": {"ndarray": subject.golden.inputs[:1]}})
    meta = answer.get("meta", {})
    found = {"puid": meta.get("puid"), "tags": {key: meta.get("tags", {}).get(key) for key in META["tags"]}}
    if found != META:
        raise CheckFailed(f"sent {describe(sent)}\nexpected its meta to come back, {META}; came back {meta}")


def _kind(subject: Subject) -> None:
    """An ndarray is answered by an ndarray, a tensor by a tensor."""
    rows = subject.golden.inputs[:1]
    for kind, payload in (("ndarray", rows), ("tensor", {"shape": list(rows.shape), "values": rows.reshape(-1)})):
        sent, answer = _ask(subject, {"data": {kind: payload}})
        if kind not in answer["data"]:
            raise CheckFailed(f"sent {describe(sent)}\nexpected its answer to hold {kind}; came back {answer['data']}")
