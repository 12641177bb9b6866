"""MLflow's tracking UI over the store of this strategy: runs, models, versions, aliases. On this machine alone."""

import os
import sys

import prepare
import registry

import shared_models

PORT = "8104"  # not MLflow's own 5000, which macOS takes

prepare.ensure(*shared_models.available())
port = os.environ.get("PORT") or PORT
print(f"MLflow's tracking UI: http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
# One worker, and none of the processes that run jobs for generative models.
os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
where = ["--host", "127.0.0.1", "--port", port, "--backend-store-uri", registry.tracking_uri()]
quiet = ["--uvicorn-opts", "--log-level warning"]
server = [sys.executable, "-m", "mlflow", "server", "--workers", "1", *quiet, *where]
os.execv(server[0], server)  # noqa: S606 - every argument is ours
