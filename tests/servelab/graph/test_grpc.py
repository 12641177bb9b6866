"""The gateway over gRPC: the same walk, over components that speak it for real; nothing decodes what passes through."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from servelab.graph.gateway import shadows
from servelab.graph.gateway.grpc_caller import MAX_MESSAGE
from servelab.graph.gateway.live import Endpoint
from servelab.graph.proto.prediction_pb2 import Feedback, SeldonMessage
from servelab.graph.runner.ports import Port
from tests.servelab.graph.serving import INJECTING, Serving, deployment, node, predictor, serving

Answering = Callable[[bytes, Any], Awaitable[bytes]]
NOWHERE = ("127.0.0.1", 1)  # of REST, which is not asked here
ROW = {"data": {"ndarray": [[1.0, 2.0]]}, "meta": {"puid": "p"}}
GRAPH = node("t", "TRANSFORMER", node("r", "ROUTER", node("a"), node("b")))


def encoded(value: Any, empty: SeldonMessage | Feedback | None = None) -> bytes:
    return json_format.ParseDict(value, empty or SeldonMessage()).SerializeToString()


async def echo(request: bytes, _: Any) -> bytes:
    return request


def saying(answer: bytes) -> Answering:
    async def say(*_: object) -> bytes:
        return answer

    return say


@dataclass
class Component(grpc.GenericRpcHandler):
    """A real gRPC server that answers any method as told and keeps its port while it is down."""

    answer: Answering = echo
    calls: list[tuple[str, Mapping[str, Any], bytes]] = field(default_factory=list)
    hold: Port = field(default_factory=Port)
    server: grpc.aio.Server | None = None

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(NOWHERE, ("127.0.0.1", self.hold.number))

    async def start(self) -> None:
        self.hold.release()  # gRPC's own sockets do not share it
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.server = grpc.aio.server(handlers=(self,), options=options)
        self.server.add_insecure_port(f"127.0.0.1:{self.hold.number}")
        await self.server.start()

    async def stop(self) -> None:
        if self.server:
            await self.server.stop(0)
        self.hold.release()

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        async def handle(request: bytes, context: Any) -> bytes:
            self.calls.append((details.method, dict(context.invocation_metadata()), request))
            return await self.answer(request, context)

        return grpc.unary_unary_rpc_method_handler(handle)


@pytest.fixture(scope="module")
def module_serving() -> Iterator[Serving]:
    with serving() as found:
        yield found


@dataclass
class Asking:
    """A gateway and what a test puts before it."""

    serving: Serving
    channel: grpc.Channel
    components: list[Component] = field(default_factory=list)

    def component(self, answer: Answering = echo, up: bool = True) -> Component:
        component = Component(answer)
        self.components.append(component)
        if up:
            self.serving.run(component.start())
        return component

    def put(self, document: Mapping[str, Any], components: Mapping[str, Component]) -> None:
        self.serving.put(document, {name: component.endpoint for name, component in components.items()})

    def call(
        self, request: bytes, method: str = "Predict", timeout: float = 20.0, **metadata: str
    ) -> tuple[bytes, Mapping[str, Any]]:
        ask: Any = self.channel.unary_unary(f"/seldon.protos.Seldon/{method}")
        answer, call = ask.with_call(request, timeout=timeout, metadata=tuple(metadata.items()))
        return answer, dict(call.initial_metadata())

    def refused(self, request: bytes = b"", method: str = "Predict", **more: Any) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.RpcError) as caught:
            self.call(request, method, **more)
        error: Any = caught.value
        return error.code(), error.details()


@pytest.fixture
def asking(module_serving: Serving) -> Iterator[Asking]:
    module_serving.drawn = 0.0
    sizes = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{module_serving.gateway.grpc_port}", sizes) as channel:
        found = Asking(module_serving, channel)
        yield found
    for live in module_serving.gateway.all():
        module_serving.gateway.remove(live.deployment.namespace, live.deployment.name)
    for component in found.components:
        module_serving.run(component.stop())


def test_each_unit_is_asked_by_its_own_service_and_bytes_pass_through(asking: Asking) -> None:
    graph = node(
        "t", "TRANSFORMER", node("o", "OUTPUT_TRANSFORMER", node("c", "COMBINER", node("r", "ROUTER", node("m"))))
    )
    parts = {name: asking.component() for name in "tocm"}
    parts["r"] = asking.component(saying(encoded({"data": {"ndarray": [[0]]}})))
    parts["c"].answer = saying(b"\xff whatever")
    asking.put(deployment(predictor(graph)), parts)
    answer, _ = asking.call(b"\xff no message")
    assert answer == b"\xff whatever"
    methods = {name: part.calls[0][0].rpartition(".")[2] for name, part in parts.items()}
    assert methods == {
        "t": "Transformer/TransformInput",
        "o": "OutputTransformer/TransformOutput",
        "c": "Combiner/Aggregate",
        "r": "Router/Route",
        "m": "Model/Predict",
    }
    assert parts["m"].calls[0][2] == b"\xff no message"


def test_the_walk_of_an_a_b_test_with_routing_injection_and_its_feedback(asking: Asking) -> None:
    parts = {name: asking.component() for name in "tab"}
    parts["r"] = asking.component(saying(encoded({"data": {"tensor": {"shape": [1], "values": [1]}}})))
    asking.put(deployment(predictor(GRAPH, **INJECTING)), parts)
    answer = SeldonMessage.FromString(asking.call(encoded(ROW))[0])
    assert dict(answer.meta.routing) == {"t": -1, "r": 1, "b": -1}
    assert json_format.MessageToDict(answer.data) == ROW["data"]
    feedback = Feedback(response=answer, reward=1.0).SerializeToString()
    assert asking.call(feedback, "SendFeedback")[0] == b""  # the root, a transformer, hears none
    paths = {name: [call[0].rpartition("/")[2] for call in part.calls] for name, part in parts.items()}
    wanted = {"t": ["TransformInput"], "a": [], "b": ["Predict", "SendFeedback"], "r": ["Route", "SendFeedback"]}
    assert paths == wanted
    assert parts["r"].calls[1][0] == "/seldon.protos.Model/SendFeedback"


def test_puid_and_metadata_go_to_every_component_and_puid_back(asking: Asking) -> None:
    parts = {"t": asking.component(), "m": asking.component()}
    asking.put(deployment(predictor(node("t", "TRANSFORMER", node("m")))), parts)
    _, made = asking.call(b"")
    assert uuid.UUID(made["seldon-puid"]).version == 4
    own: Any = {"seldon-puid": "mine", "x-own": "1", "tenant": "2"}
    _, given = asking.call(b"", **own)
    assert given["seldon-puid"] == "mine"
    for part in parts.values():
        assert part.calls[0][1]["seldon-puid"] == made["seldon-puid"]
        assert own.items() <= part.calls[1][1].items()


def test_the_metadata_seldon_and_namespace_choose_the_deployment(asking: Asking) -> None:
    assert asking.refused()[0] is grpc.StatusCode.NOT_FOUND
    for name, namespace in (("one", "x"), ("one", "y"), ("two", "x")):
        component = asking.component(saying(f"{namespace}/{name}".encode()))
        asking.put(deployment(predictor(node("m")), name=name, namespace=namespace), {"m": component})
    assert asking.call(b"", seldon="one", namespace="y")[0] == b"y/one"
    assert asking.call(b"", seldon="two")[0] == b"x/two"  # the only one of that name
    code, details = asking.refused(seldon="tow", namespace="x")
    assert code is grpc.StatusCode.NOT_FOUND
    assert details.endswith("did you mean /seldon/x/two/?")
    assert asking.refused(seldon="one")[0] is grpc.StatusCode.NOT_FOUND  # there are two
    assert asking.refused()[0] is grpc.StatusCode.NOT_FOUND


def test_a_component_s_status_is_passed_on(asking: Asking) -> None:
    async def refuse(_: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "five columns")
        return b""

    asking.put(deployment(predictor(node("m"))), {"m": asking.component(refuse)})
    assert asking.refused() == (grpc.StatusCode.INVALID_ARGUMENT, "m: five columns")


@pytest.mark.parametrize(
    ("answer", "problem"), [({"data": {"ndarray": [[7]]}}, "found 7"), ({"strData": "x"}, "expected a number")]
)
def test_a_route_that_is_none_is_an_error(asking: Asking, answer: Any, problem: str) -> None:
    parts = {"t": asking.component(), "r": asking.component(saying(encoded(answer))), "a": asking.component()}
    asking.put(deployment(predictor(GRAPH)), parts)
    code, details = asking.refused()
    assert code is grpc.StatusCode.INTERNAL
    assert problem in details


def test_a_feedback_that_is_none_or_names_no_child_is_the_client_s_error(asking: Asking) -> None:
    asking.put(
        deployment(predictor(node("r", "ROUTER", node("a")))), {"r": asking.component(), "a": asking.component()}
    )
    feedback = encoded({"response": {"meta": {"routing": {"r": 5}}}}, Feedback())
    for request in (feedback, b"\xff\xff"):
        assert asking.refused(request, "SendFeedback")[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_a_component_that_is_being_restarted_is_waited_for(asking: Asking) -> None:
    component = asking.component(up=False)
    asking.put(deployment(predictor(node("m"))), {"m": component})
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(asking.call, b"x")
        time.sleep(0.3)
        asking.serving.run(component.start())
        assert asked.result()[0] == b"x"
    assert len(component.calls) == 1


def test_a_component_that_does_not_come_back_is_an_error_within_the_deadline(asking: Asking) -> None:
    annotations = {"seldon.io/grpc-timeout": "300"}
    asking.put(deployment(predictor(node("m")), annotations=annotations), {"m": asking.component(up=False)})
    code, details = asking.refused()
    assert code is grpc.StatusCode.INTERNAL
    assert "m: expected a connection" in details
    assert 'method="unary",code="Unavailable"' in asking.serving.get("/prometheus").body.decode()


def test_a_component_that_hangs_is_bounded_by_its_annotation(asking: Asking) -> None:
    async def hang(*_: object) -> bytes:
        await asyncio.sleep(20)
        return b""

    annotations = {"seldon.io/grpc-timeout": "300"}
    asking.put(deployment(predictor(node("m")), annotations=annotations), {"m": asking.component(hang)})
    code, details = asking.refused()
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert details.startswith("m: ")


def test_a_component_that_ends_in_the_middle_is_an_error_and_is_not_asked_again(asking: Asking) -> None:
    component = asking.component()
    ending: list[asyncio.Task[None]] = []

    async def end(*_: object) -> bytes:
        assert component.server is not None
        ending.append(asyncio.create_task(component.server.stop(0)))  # which ends this call, too
        await asyncio.sleep(20)
        return b""

    component.answer = end
    asking.put(deployment(predictor(node("m"))), {"m": component})
    assert asking.refused()[0] in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN)
    assert len(component.calls) == 1


def test_a_component_that_speaks_rest_only_is_an_error(asking: Asking) -> None:
    asking.serving.put(deployment(predictor(node("m"))), {"m": Endpoint(NOWHERE)})
    code, details = asking.refused()
    assert code is grpc.StatusCode.INTERNAL
    assert "speaks REST only" in details


def test_messages_are_bounded(asking: Asking) -> None:
    asking.put(deployment(predictor(node("m"))), {"m": asking.component()})
    assert len(asking.call(bytes(MAX_MESSAGE))[0]) == MAX_MESSAGE
    assert asking.refused(bytes(MAX_MESSAGE + 1))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_other_methods_are_unimplemented(asking: Asking) -> None:
    assert asking.refused(method="GraphMetadata")[0] is grpc.StatusCode.UNIMPLEMENTED


def test_a_shadow_never_changes_or_delays_an_answer(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadows, "AT_ONCE", 2)
    go_on = asyncio.Event()

    async def wait(*_: object) -> bytes:
        await go_on.wait()
        return b"dark"

    dark = asking.component(wait)
    both = predictor(node("m"), "main", traffic=100), predictor(node("m"), "dark", shadow=True)
    asking.put(deployment(*both), {"main/m": asking.component(saying(b"main")), "dark/m": dark})
    for _ in range(5):
        assert asking.call(b"")[0] == b"main"
    asking.serving.loop.call_soon_threadsafe(go_on.set)
    live = asking.serving.gateway.get("test", "ab")
    assert live is not None
    asking.serving.run(live.drained())
    assert len(dark.calls) == 2


def test_prometheus_has_the_calls(asking: Asking) -> None:
    asking.put(deployment(predictor(node("m"))), {"m": asking.component()})
    asking.call(b"")
    text = asking.serving.get("/prometheus").body.decode()
    for service in ("/seldon.protos.Seldon/Predict", "/seldon.protos.Model/Predict"):
        assert f'service="{service}"' in text
    assert 'method="unary",code="OK"' in text


def test_a_client_that_leaves_ends_its_call(asking: Asking) -> None:
    async def hang(*_: object) -> bytes:
        await asyncio.sleep(20)
        return b""

    component = asking.component(hang)
    asking.put(deployment(predictor(node("m"))), {"m": component})
    with contextlib.suppress(grpc.RpcError):
        asking.call(b"", timeout=0.3)
    live = asking.serving.gateway.get("test", "ab")
    assert live is not None
    asking.serving.run(asyncio.wait_for(live.drained(), 5))
