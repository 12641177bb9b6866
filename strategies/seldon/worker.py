"""gunicorn's gevent worker, with gRPC beside it where Seldon's variable asks for it."""

import os
from typing import Any

import gevent.socket  # type: ignore[import-untyped]
from gevent import monkey
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

GRPC_GRACE = 15.0  # seconds that a stop waits for requests by gRPC; less than gunicorn's own graceful_timeout


class Worker(GeventWorker):  # type: ignore[misc]
    """gevent for sockets: a stalled client costs a greenlet. Threads and queues stay what they are: gRPC needs them."""

    sockets: list[Any]
    _grpc: Any = None

    def patch(self) -> None:
        monkey.patch_all(thread=False, queue=False)
        self.sockets = [gevent.socket.socket(s.FAMILY, fileno=s.sock.fileno()) for s in self.sockets]

    def load_wsgi(self) -> None:
        """After the fork: the component, then gRPC on the same host as REST. What fails here ends the server."""
        super().load_wsgi()
        if port := os.environ.get("PREDICTIVE_UNIT_GRPC_SERVICE_PORT"):
            import rpc  # here: not in the process that forks
            import server

            self._grpc = rpc.start(server.component, server.metrics, beside(self.cfg, port))

    def run(self) -> None:
        super().run()
        if self._grpc:
            self._grpc.stop(GRPC_GRACE).wait()

    def handle_exit(self, sig: int, frame: object) -> None:
        """A SIGTERM: gRPC finishes what is in flight while REST does."""
        super().handle_exit(sig, frame)
        if self._grpc:
            self._grpc.stop(GRPC_GRACE)


def beside(cfg: Any, port: str) -> str:
    """That port on the host that gunicorn is told to listen on."""
    host = cfg.address[0][0]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
