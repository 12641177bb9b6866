"""Seldon's messages as protobuf: the few places where the executor looks into them (executor/api/util/utils.go)."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

from google.protobuf.message import DecodeError, Message as Proto

from servelab.graph.proto.prediction_pb2 import Feedback, SeldonMessage
from servelab.graph.walk import Message, WalkError
from servelab.protocols.base import excerpt

P = TypeVar("P", bound=Proto)


def route(answer: Message) -> int:
    """The first number in ``data.ndarray`` ([[n]] or [n]) or ``data.tensor.values``; -1 when data holds neither."""
    answered = _parsed(SeldonMessage(), answer)
    data = answered.data
    kind = data.WhichOneof("data_oneof")
    if kind is None and answered.HasField("data"):
        return -1
    number = math.nan
    if kind == "tensor" and data.tensor.values:
        number = data.tensor.values[0]
    if kind == "ndarray" and data.ndarray.values:
        value = data.ndarray.values[0]
        if value.WhichOneof("kind") == "list_value" and value.list_value.values:
            value = value.list_value.values[0]
        if value.WhichOneof("kind") == "number_value":
            number = value.number_value
    if math.isfinite(number):
        return int(number)
    raise WalkError(f"expected a number in a router's data.ndarray or data.tensor; found {excerpt(answer.body)}")


def combined(messages: Sequence[Message]) -> Message:
    """A SeldonMessageList: field 1, once per message, each as it is."""
    return Message(b"".join(b"\x0a" + _varint(len(message.body)) + message.body for message in messages))


def with_routing(message: Message, routing: Mapping[str, int]) -> Message:
    """``meta.routing`` set; unchanged when it has no ``meta``."""
    parsed = _parsed(SeldonMessage(), message)
    if not parsed.HasField("meta"):
        return message
    parsed.meta.routing.clear()
    parsed.meta.routing.update(routing)
    return Message(parsed.SerializeToString())


def feedback_routing(feedback: Message) -> Mapping[str, int]:
    """``response.meta.routing``. Raises WalkError for what is no Feedback."""
    return _parsed(Feedback(), feedback, client=True).response.meta.routing


def _parsed(empty: P, message: Message, *, client: bool = False) -> P:
    try:
        empty.ParseFromString(message.body)
    except DecodeError as error:
        name = empty.DESCRIPTOR.full_name
        raise WalkError(f"expected a {name}; found {excerpt(message.body)} ({error})", client=client) from None
    return empty


def _varint(value: int) -> bytes:
    """https://protobuf.dev/programming-guides/encoding/#varints"""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
