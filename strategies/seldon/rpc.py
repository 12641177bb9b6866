"""gRPC in the worker itself, so that REST and gRPC share the component: Seldon's own servicer."""

from collections.abc import Callable, Iterable
from typing import Any

import grpc  # type: ignore[import-untyped]
from grpc_opentracing.grpcext import UnaryServerInterceptor  # type: ignore[import-untyped]
from messages import check_width
from seldon_core.flask_utils import (  # type: ignore[import-untyped]
    ANNOTATION_GRPC_MAX_MSG_SIZE,
    SeldonMicroserviceException,
)
from seldon_core.proto.prediction_pb2 import Feedback, SeldonMessage, SeldonMessageList  # type: ignore[import-untyped]
from seldon_core.wrapper import get_grpc_server  # type: ignore[import-untyped]

MAX_MESSAGE = 16 * 2**20  # bytes; gRPC's own limit is 4 MiB


class Refuse(UnaryServerInterceptor):  # type: ignore[misc]
    """An interceptor, in the form that the wrapper takes one: what the client did wrong is INVALID_ARGUMENT."""

    def intercept_unary(
        self, asked: Any, context: grpc.ServicerContext, _: object, handler: Callable[[Any, Any], Any]
    ) -> Any:
        try:
            for message in _messages(asked):
                check_width(_listed(message.data.ndarray.values))
            return handler(asked, context)
        except ValueError as error:  # such as InvalidInput, and numpy's, of a tensor that its values do not fill
            message = str(error)
        except SeldonMicroserviceException as error:
            message = error.message
        return context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)


def _messages(asked: Any) -> Iterable[Any]:
    """The messages of whose rows the wrapper will make arrays."""
    if isinstance(asked, SeldonMessageList):
        return asked.seldonMessages  # type: ignore[no-any-return]
    if isinstance(asked, Feedback):
        return asked.request, asked.truth
    return (asked,) if isinstance(asked, SeldonMessage) else ()


def _listed(values: Iterable[Any]) -> list[Any]:
    """Lists and strings of protobuf as they are; anything else, whose width does not vary, as 0."""
    return [
        _listed(value.list_value.values) if value.HasField("list_value") else value.string_value or 0
        for value in values
    ]


def start(component: Any, metrics: Any, address: str) -> grpc.Server:
    """Serve the component on that address, which the workers share (SO_REUSEPORT). Raises OSError."""
    limit = {ANNOTATION_GRPC_MAX_MSG_SIZE: str(MAX_MESSAGE)}
    server = get_grpc_server(component, metrics, annotations=limit, trace_interceptor=Refuse())
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError:
        bound = 0
    if not address.endswith(f":{bound}"):  # gRPC takes any number modulo 65536
        raise OSError(f"expected a free port for gRPC; found {address}")
    server.start()
    return server
