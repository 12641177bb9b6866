"""How a request walks a graph: what Seldon's executor does, over any transport.

The rules are those of Seldon Core 1.17.1 (executor/predictor/predictor_process.go). Three differ on purpose. Where the
executor panics, the request gets an error (a route that names no child, a router's answer without a number), and the
feedback to an answer in which no child took part (-2) goes to none. The error of an output transformer stays an error
when the routing is injected, where the executor makes it a 200. And a feedback that does not say which way a router
went is refused, where the executor credits every child.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from servelab.errors import ServelabError
from servelab.graph.manifest import Predictor, Unit

# Set to anything but nothing, even "false", in svcOrchSpec.env, it puts meta.routing into the answers.
ROUTING_INJECTION = "SELDON_ENABLE_ROUTING_INJECTION"
ALL, NONE = -1, -2  # what a router may answer besides the number of a child


class Method(StrEnum):
    """What a unit can be asked; the value is the path of its REST API."""

    PREDICT = "predict"
    TRANSFORM_INPUT = "transform-input"
    TRANSFORM_OUTPUT = "transform-output"
    ROUTE = "route"
    AGGREGATE = "aggregate"
    SEND_FEEDBACK = "send-feedback"


class Message(NamedTuple):
    """A payload as it came over the wire; the two headers are REST's, and travel with their payload."""

    body: bytes
    content_type: str = ""
    content_encoding: str = ""


class WalkError(ServelabError):
    """A request cannot go on through the graph; ``client`` says that its sender is at fault."""

    def __init__(self, message: str, *, client: bool = False) -> None:
        super().__init__(message)
        self.client = client


class Caller(Protocol):
    """Asks a unit; raises its own errors where no good answer comes, and they end the walk."""

    def __call__(self, unit: Unit, method: Method, message: Message) -> Awaitable[Message]: ...


class Codec(Protocol):
    """The only ones who look into a message. Each raises WalkError where it cannot find what it needs."""

    def route(self, answer: Message) -> int:
        """The first number of a router's answer."""

    def combined(self, messages: Sequence[Message]) -> Message:
        """The messages of the children as one, for a combiner."""

    def with_routing(self, message: Message, routing: Mapping[str, int]) -> Message:
        """The message with ``meta.routing``; unchanged when it has no ``meta`` or is no message at all."""

    def feedback_routing(self, feedback: Message) -> Mapping[str, int]:
        """``response.meta.routing`` of a feedback; empty when there is none."""


@dataclass(frozen=True, slots=True)
class Walk:
    """One request's way through the graph of a predictor; ``random`` draws from [0, 1) for RANDOM_ABTEST."""

    predictor: Predictor
    call: Caller
    codec: Codec
    random: Callable[[], float]
    routing: dict[str, int] = field(default_factory=dict)

    async def predict(self, message: Message) -> Message:
        """The answer of the graph. Raises what the caller raises, and WalkError."""
        return await self._predict(self.predictor.graph, message, read=bool(self.predictor.env.get(ROUTING_INJECTION)))

    async def feedback(self, message: Message) -> Message:
        """The answer of the root to a feedback, which every unit that took part hears: the children first."""
        root = self.predictor.graph
        routing = self.codec.feedback_routing(message) if root.children else {}
        return await self._feedback(root, message, _took_part(root, routing))

    async def _predict(self, unit: Unit, message: Message, read: bool) -> Message:
        """``read``: somebody reads the answer's routing. Nobody reads that of a child whose parent overwrites it."""
        if unit.type == "TRANSFORMER" or "TRANSFORM_INPUT" in unit.methods:
            message = await self._ask(unit, Method.TRANSFORM_INPUT, message)
        elif unit.type == "MODEL":
            message = await self._ask(unit, Method.PREDICT, message)
        if unit.children:
            message = await self._predict_children(unit, message, read)
        if _transforms_output(unit):
            message = await self.call(unit, Method.TRANSFORM_OUTPUT, message)
        return self.codec.with_routing(message, self.routing) if read else message

    async def _predict_children(self, unit: Unit, message: Message, read: bool) -> Message:
        route = await self._route(unit, message)
        if route == NONE:
            self.routing[unit.name] = NONE
            return message
        combines = unit.type == "COMBINER" or "AGGREGATE" in unit.methods
        read = read and (combines or _transforms_output(unit))
        children = _chosen(unit, route)
        answers = await _all([self._predict(child, message, read) for child in children])
        self.routing[unit.name] = route
        if not combines:
            return answers[0]
        return await self._ask(unit, Method.AGGREGATE, self.codec.combined(answers))

    async def _ask(self, unit: Unit, method: Method, message: Message) -> Message:
        self.routing[unit.name] = ALL
        return await self.call(unit, method, message)

    async def _route(self, unit: Unit, message: Message) -> int:
        if _asks_route(unit):
            return self.codec.route(await self.call(unit, Method.ROUTE, message))
        if unit.implementation == "RANDOM_ABTEST":
            return 0 if self.random() < ratio_a(unit) else 1
        return ALL

    async def _feedback(self, unit: Unit, message: Message, children: Mapping[str, Sequence[Unit]]) -> Message:
        await _all([self._feedback(child, message, children) for child in children[unit.name]])
        if unit.type in ("MODEL", "ROUTER") or "SEND_FEEDBACK" in unit.methods:
            return await self.call(unit, Method.SEND_FEEDBACK, message)
        return message


def _took_part(unit: Unit, routing: Mapping[str, int]) -> dict[str, Sequence[Unit]]:
    """By the names of the units that took part, their children that did. Raises WalkError: before any is credited."""
    route = routing.get(unit.name, ALL)
    if unit.children and unit.name not in routing and _draws(unit):
        raise WalkError(
            f"{unit.name}: expected response.meta.routing to say which of its {len(unit.children)} children "
            "answered; found none, or a key that Seldon's Feedback does not have. Send back the whole response "
            f"to the prediction, of a graph that sets {ROUTING_INJECTION} in svcOrchSpec.env",
            client=True,
        )
    children = _chosen(unit, route, client=True) if unit.children and route != NONE else ()
    found: dict[str, Sequence[Unit]] = {unit.name: children}
    for child in children:
        found |= _took_part(child, routing)
    return found


def ratio_a(unit: Unit) -> float:
    """The share of requests that a RANDOM_ABTEST sends to its first child: its only parameter ``ratioA``, else 0.5."""
    if len(unit.parameters) != 1 or unit.parameters[0].name != "ratioA":
        return 0.5
    try:
        return float(unit.parameters[0].value)
    except ValueError:
        value = unit.parameters[0].value
        raise WalkError(f"{unit.name}: expected the parameter ratioA to be a number; found {value!r}") from None


def _asks_route(unit: Unit) -> bool:
    return unit.type == "ROUTER" or "ROUTE" in unit.methods


def _draws(unit: Unit) -> bool:
    """Whether each request may go another way below it."""
    return _asks_route(unit) or unit.implementation == "RANDOM_ABTEST"


def _transforms_output(unit: Unit) -> bool:
    return unit.type == "OUTPUT_TRANSFORMER" or "TRANSFORM_OUTPUT" in unit.methods


def _chosen(unit: Unit, route: int, *, client: bool = False) -> tuple[Unit, ...]:
    if route == ALL:
        return unit.children
    if 0 <= route < len(unit.children):
        return (unit.children[route],)
    source = "the feedback's response.meta.routing" if client else "its answer"
    raise WalkError(
        f"{unit.name}: expected {source} to name one of its {len(unit.children)} children, from 0, or -1 for all; "
        f"found {route}",
        client=client,
    )


async def _all(asked: Sequence[Awaitable[Message]]) -> list[Message]:
    """Every answer, asked for at the same time; of several errors, that of the first child."""
    if len(asked) == 1:  # without a task of its own
        return [await asked[0]]
    answers = []
    for answer in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer
        answers.append(answer)
    return answers
