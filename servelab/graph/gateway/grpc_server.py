"""The gateway over gRPC: seldon.protos.Seldon's Predict and SendFeedback, by generic handlers that decode nothing.

The deployment is named by the metadata ``seldon`` and ``namespace``, as an Istio ingress tells them apart; without
them it is the only one there is.
"""

import logging
import math
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import grpc

from servelab.graph import codec_proto
from servelab.graph.gateway.grpc_caller import MAX_MESSAGE, Channels, GrpcCaller, Refused, go_name
from servelab.graph.gateway.registry import Registry
from servelab.graph.gateway.traffic import Traffic
from servelab.graph.manifest import Predictor
from servelab.graph.walk import Message, Walk, WalkError

PUID = "seldon-puid"
GRACE = 5.0  # seconds for the calls on their way when the server stops
_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.so_reuseport", 0),  # a port that is taken is an error
)
_OF_THE_CONNECTION = ("user-agent", "content-type", "te")  # not of the request; and so is what starts with grpc-
_log = logging.getLogger(__name__)
Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"  # generic in the types' stubs only
Way = Callable[[Walk, Message], Awaitable[Message]]
Answer = tuple[grpc.StatusCode, bytes | str]  # or the words of an error


class GrpcServer(grpc.GenericRpcHandler):
    """Serves the deployments of a registry; ``random`` draws from [0, 1)."""

    def __init__(self, registry: Registry, random: Callable[[], float]) -> None:
        self._registry = registry
        self._random = random
        self._traffic = Traffic(registry.metrics, random)
        self._methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            "/seldon.protos.Seldon/Predict": grpc.unary_unary_rpc_method_handler(self._predict),
            "/seldon.protos.Seldon/SendFeedback": grpc.unary_unary_rpc_method_handler(self._feedback),
        }

    async def start(self, host: str, port: int) -> int:
        """Listen, within the running event loop; the port, a free one for 0. RuntimeError when it is taken."""
        self._channels = Channels(self._registry.metrics)
        self._server = grpc.aio.server(handlers=(self,), options=_OPTIONS)
        bound = self._server.add_insecure_port(f"{host}:{port}")
        await self._server.start()
        return bound

    async def stop(self) -> None:
        """Take no more calls, let those on their way end, close the channels to the components."""
        await self._server.stop(GRACE)
        await self._traffic.stop()
        await self._channels.close()

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """What answers a call of that name; None: it is not implemented."""
        return self._methods.get(details.method)

    async def _predict(self, request: bytes, context: Context) -> bytes:
        return await self._walk(request, context, "Predict", Walk.predict)

    async def _feedback(self, request: bytes, context: Context) -> bytes:
        return await self._walk(request, context, "SendFeedback", _feedback)

    async def _walk(self, request: bytes, context: Context, name: str, way: Way) -> bytes:
        metadata = dict(context.invocation_metadata() or ())
        puid = metadata.setdefault(PUID, str(uuid.uuid4()))
        await context.send_initial_metadata(((PUID, puid),))
        named = str(metadata.get("namespace", "")), str(metadata.get("seldon", ""))
        live = self._registry.find(*named)
        if live is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, self._registry.missing(*named))
        forwarded = tuple(
            (key, value)
            for key, value in metadata.items()
            if key not in _OF_THE_CONNECTION and not key.startswith(("grpc-", ":"))
        )
        left = context.time_remaining()
        deadline = math.inf if left is None else time.monotonic() + left

        def walk(through: Predictor) -> Awaitable[Answer]:
            caller = GrpcCaller(self._channels, live, through, forwarded, deadline)
            return _answered(way(Walk(through, caller, codec_proto, self._random), Message(request)))

        service = f"/seldon.protos.Seldon/{name}"
        code, answer = await self._traffic.through(live, walk, lambda found: (service, "unary", go_name(found[0])))
        if isinstance(answer, str):
            await context.abort(code, answer)
        return answer


async def _feedback(walk: Walk, feedback: Message) -> Message:
    """A root that hears no feedback returns it: as no SeldonMessage, which is what a client waits for."""
    answer = await walk.feedback(feedback)
    return Message(b"") if answer is feedback else answer


async def _answered(asked: Awaitable[Message]) -> Answer:
    """The walk's end."""
    try:
        return grpc.StatusCode.OK, (await asked).body
    except Refused as refused:
        return refused.code, refused.details
    except WalkError as error:
        return grpc.StatusCode.INVALID_ARGUMENT if error.client else grpc.StatusCode.INTERNAL, str(error)
    except Exception:  # a fault of ours must not show its words to a client
        _log.exception("gRPC")
        return grpc.StatusCode.INTERNAL, "the gateway failed; its log says where"
