"""How gunicorn runs server.py, and the metrics' port beside it where Seldon's variable asks for it."""

import os
import shutil
import tempfile
from typing import Any

from worker import beside

worker_class = "worker.Worker"
keepalive = 5  # seconds an idle connection is kept; it can delay a stop by as much
graceful_timeout = 20  # seconds that a stop waits for requests in flight


def on_starting(server: Any) -> None:
    """Listen for whoever scrapes metrics, too, and give the workers a place to find each other's."""
    if port := os.environ.get("PREDICTIVE_UNIT_METRICS_SERVICE_PORT"):
        server.cfg.set("bind", [*server.cfg.settings["bind"].get(), beside(server.cfg, port)])
    os.environ["METRICS_FOLDER"] = tempfile.mkdtemp(prefix="seldon-")


def on_exit(server: object) -> None:  # noqa: ARG001 - gunicorn's hook
    """Leave nothing behind."""
    shutil.rmtree(os.environ["METRICS_FOLDER"], ignore_errors=True)
