"""Asks the components of a graph over gRPC, the bytes as they came: no message is decoded on the way."""

import asyncio
import time
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import grpc

from servelab.graph.gateway.http_caller import RESTART
from servelab.graph.gateway.live import Live
from servelab.graph.gateway.metrics import Metrics
from servelab.graph.manifest import Predictor, Unit
from servelab.graph.walk import Message, Method, WalkError

MAX_MESSAGE = 16 * 2**20  # bytes
Metadata = Sequence[tuple[str, str | bytes]]
_SIZES = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", MAX_MESSAGE))
_OPTIONS = (*_SIZES, ("grpc.enable_http_proxy", 0), ("grpc.max_reconnect_backoff_ms", 500))
# Which service of a component the executor asks (executor/api/grpc/seldon/client.go).
_PATHS = {
    Method.PREDICT: "/seldon.protos.Model/Predict",
    Method.TRANSFORM_INPUT: "/seldon.protos.Transformer/TransformInput",
    Method.TRANSFORM_OUTPUT: "/seldon.protos.OutputTransformer/TransformOutput",
    Method.ROUTE: "/seldon.protos.Router/Route",
    Method.AGGREGATE: "/seldon.protos.Combiner/Aggregate",
    Method.SEND_FEEDBACK: "/seldon.protos.Model/SendFeedback",
}


class Refused(Exception):
    """A component ended the call with another status than OK, which is the answer to the client."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details


class Channels:
    """A channel to each component, for as long as its deployment lives."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._channels: WeakKeyDictionary[Live, dict[tuple[str, int], grpc.aio.Channel]] = WeakKeyDictionary()

    def to(self, live: Live, address: tuple[str, int]) -> grpc.aio.Channel:
        """The channel to a component of that deployment."""
        channels = self._channels.setdefault(live, {})
        if address not in channels:
            channels[address] = grpc.aio.insecure_channel("{}:{}".format(*address), _OPTIONS)
        return channels[address]

    async def close(self) -> None:
        """Close every channel."""
        for channels in self._channels.values():
            for channel in channels.values():
                await channel.close()


class GrpcCaller:
    """Asks for one request; its metadata goes to every component. ``deadline`` by time.monotonic()."""

    __slots__ = ("_channels", "_deadline", "_live", "_metadata", "_predictor")

    def __init__(
        self, channels: Channels, live: Live, predictor: Predictor, metadata: Metadata, deadline: float
    ) -> None:
        self._channels, self._live, self._predictor = channels, live, predictor
        self._metadata, self._deadline = metadata, deadline

    async def __call__(self, unit: Unit, method: Method, message: Message) -> Message:
        """The component's answer. Raises Refused, and WalkError where none came."""
        endpoint = self._live.endpoints.get((self._predictor.name, unit.name))
        if endpoint is None or endpoint.grpc is None:
            found = "one that speaks REST only" if endpoint else "none: a node without an image"
            raise WalkError(f"expected a component that serves {unit.name} over gRPC; found {found}")
        began = time.perf_counter()
        code = grpc.StatusCode.OK
        try:
            channel = self._channels.to(self._live, endpoint.grpc)
            await self._connected(channel, unit, endpoint.grpc)
            timeout = min(self._live.grpc_timeout, self._deadline - time.monotonic())
            ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_PATHS[method])
            return Message(await ask(message.body, metadata=self._metadata, timeout=timeout))
        except grpc.aio.AioRpcError as error:
            code = error.code()
            raise Refused(code, f"{unit.name}: {error.details()}") from None
        except WalkError:
            code = grpc.StatusCode.UNAVAILABLE
            raise
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        finally:
            whose, seconds = (self._live.deployment, self._predictor, unit), time.perf_counter() - began
            self._channels.metrics.asked(*whose, _PATHS[method], "unary", go_name(code), seconds)

    async def _connected(self, channel: grpc.aio.Channel, unit: Unit, address: tuple[str, int]) -> None:
        """Wait while the component refuses connections, for it is being started again; nothing was sent yet."""
        if channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
            return
        patience = min(RESTART, self._live.grpc_timeout, self._deadline - time.monotonic())
        try:
            async with asyncio.timeout(patience):
                await channel.channel_ready()
        except TimeoutError:
            where = "{}:{}".format(*address)
            message = f"{unit.name}: expected a connection to {where}; found none for {patience:.1f} s"
            raise WalkError(f"{message}; its log says why. Try again") from None


def go_name(code: grpc.StatusCode) -> str:
    """A status as Go spells it, which the executor's metrics do: OK, DeadlineExceeded."""
    return "OK" if code is grpc.StatusCode.OK else code.name.title().replace("_", "")
