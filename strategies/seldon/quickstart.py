"""What `seldon-core-microservice ModelInfer` does for REST, by its own parts, but on the address that is asked for.

The stock command binds every interface and has no switch for that. `bench` compares server.py with this.
"""

import os
import sys
from functools import partial

from ModelInfer import ModelInfer
from seldon_core.gunicorn_utils import (  # type: ignore[import-untyped]
    UserModelApplication,
    post_worker_init,
    worker_exit,
)
from seldon_core.metrics import SeldonMetrics  # type: ignore[import-untyped]
from seldon_core.wrapper import get_rest_microservice  # type: ignore[import-untyped]

address, workers = sys.argv[1:]
component = ModelInfer(os.environ.get("MODEL") or "iris", os.environ.get("MODEL_VERSION") or "1")
metrics = SeldonMetrics()
options = {
    "bind": address,
    "workers": int(workers),
    "threads": 1,
    "timeout": 5000,
    "post_worker_init": post_worker_init,
    "worker_exit": partial(worker_exit, seldon_metrics=metrics),
    "keepalive": 2,
}
app = get_rest_microservice(component, metrics)
UserModelApplication(app, component, False, [], "ModelInfer", options=options).run()
