"""How gunicorn runs server.py. Under the name gunicorn.conf.py it would be read for quickstart.py too."""

from typing import Any

# Measured beside sync and gthread: the least CPU per request, and a client that stalls holds a greenlet, not a thread.
worker_class = "gevent"
keepalive = 5  # seconds an idle connection is kept; it can delay a stop by as much
graceful_timeout = 20  # seconds that a stop waits for requests in flight
control_socket_disable = True  # every gunicorn of a user would want the same path

PATIENCE = 30.0  # seconds without a byte of the body


def pre_request(worker: object, req: Any) -> None:  # noqa: ARG001  (gunicorn's hook)
    """Let no body stall for ever: gunicorn's own timeout watches over the worker, not over its clients."""
    req.unreader.sock.settimeout(PATIENCE)
