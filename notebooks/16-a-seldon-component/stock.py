"""The command `seldon-core-microservice`, but for this machine alone.

    python stock.py ModelInfer --service-type MODEL --http-port 9000

The class is looked for in the current folder. The command itself listens on every interface and has no switch for that;
its gRPC (5000) and its metrics (6000) have ports of their own, which here are none and any free one.
"""

import sys
from typing import Any

from seldon_core import microservice
from seldon_core.gunicorn_utils import StandaloneApplication

load_config = StandaloneApplication.load_config


def on_loopback(application: Any) -> None:
    """Let gunicorn listen where only this machine's programs can connect."""
    application.options["bind"] = application.options["bind"].replace("0.0.0.0", "127.0.0.1")  # noqa: S104
    load_config(application)


StandaloneApplication.load_config = on_loopback
sys.argv[1:] = ["--grpc-workers", "0", "--metrics-port", "0", "--log-level", "WARNING", *sys.argv[1:]]
microservice.main()
