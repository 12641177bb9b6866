"""Seldon's messages as JSON: the few places where the executor looks into them, and what it does to every answer.

After executor/api/util/utils.go and executor/api/rest of Seldon Core 1.17.1.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from google.protobuf import json_format

from servelab.graph.proto.prediction_pb2 import Feedback
from servelab.graph.walk import Message, WalkError
from servelab.protocols.base import excerpt

KEYS = 1000  # of an object in a feedback: protobuf reads its maps slowly, and no graph has as many nodes
LEVELS = 254  # that orjson writes (https://github.com/ijl/orjson#serialize); it reads 1024
# What Go's json.HTMLEscape replaces, wherever it stands.
_ESCAPED = tuple((sign.encode(), b"\\u%04x" % ord(sign)) for sign in "<>&\u2028\u2029")


def route(answer: Message) -> int:
    """The first number in ``data.ndarray`` ([[n]] or [n]) or ``data.tensor.values``, or of a bare array.

    -1 when ``data`` holds neither, as the executor takes it. Raises WalkError.
    """
    value = decoded(answer, "a router's answer")
    if isinstance(value, dict):
        data = value.get("data")
        if not isinstance(data, dict):
            raise WalkError(f"expected data.ndarray or data.tensor in a router's answer; found {excerpt(answer.body)}")
        tensor = data.get("tensor")
        value = data.get("ndarray", tensor.get("values") if isinstance(tensor, dict) else None)
        if value is None:
            return -1
    for _ in range(2):
        value = value[0] if isinstance(value, list) and value else value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value)
    raise WalkError(f"expected a router's answer such as {{'data':{{'ndarray':[[0]]}}}}; found {excerpt(answer.body)}")


def combined(messages: Sequence[Message]) -> Message:
    """A JSON array of the messages, each as it is; its content type is the first one's."""
    for message in messages:
        decoded(message, "a child's answer to a combiner")
    return Message(b"[" + b",".join(message.body for message in messages) + b"]", messages[0].content_type)


def with_routing(message: Message, routing: Mapping[str, int]) -> Message:
    """``meta.routing`` set and the keys sorted; unchanged when it is no JSON. Numbers keep their form, unlike in Go.

    Raises WalkError for more levels than can be written: a client's own, for components send its meta back.
    """
    try:
        value = orjson.loads(message.body)
    except orjson.JSONDecodeError:
        return message
    if isinstance(value, dict) and isinstance(meta := value.get("meta"), dict):
        meta["routing"] = routing
    try:
        return message._replace(body=orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    except orjson.JSONEncodeError:
        found = excerpt(message.body)
        raise WalkError(
            f"expected at most {LEVELS} levels, to set meta.routing; found more: {found}", client=True
        ) from None


def feedback_routing(feedback: Message) -> Mapping[str, int]:
    """``response.meta.routing``; empty for what is no Feedback, also by an unknown field (so is the executor).

    Of a list only the first item is looked at: reading all rows as protobuf would stop the gateway for seconds. Raises
    WalkError for an object of more than KEYS keys, which would, too.
    """
    try:
        parsed = json_format.ParseDict(_outline(orjson.loads(feedback.body)), Feedback())
    except (orjson.JSONDecodeError, json_format.ParseError, RecursionError):
        return {}
    return parsed.response.meta.routing


def _outline(value: Any) -> Any:
    """A feedback without most of what may be large in it."""
    if isinstance(value, dict):
        if len(value) > KEYS:
            raise WalkError(f"expected at most {KEYS} keys in an object of a feedback; found {len(value)}", client=True)
        return {key: _outline(item) for key, item in value.items() if key not in ("tags", "jsonData")}
    return [_outline(item) for item in value[:1]] if isinstance(value, list) else value


def escaped(message: Message) -> bytes:
    """The body as the executor sends it out: no <, >, & and line separators, which only JSON's strings can hold."""
    body = message.body
    if not message.content_encoding:
        for sign, escape in _ESCAPED:
            if sign in body:
                body = body.replace(sign, escape)
    return body


def decoded(message: Message, what: str) -> Any:
    """What the body holds; ``what`` it should be, for WalkError where it is no JSON."""
    try:
        return orjson.loads(message.body)
    except orjson.JSONDecodeError as error:
        raise WalkError(f"expected {what} to be JSON; found {excerpt(message.body)} ({error})") from None
