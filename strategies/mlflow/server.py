"""MLflow's own scoring server for one registered model: /invocations, /ping, /health and /version, behind a guard.

Run it with uvicorn (see README.md). The environment says what is served: MODEL, a name or a folder, and MODEL_VERSION,
a version of it or, when empty, the one that has the alias champion.
"""

import registry  # isort: split

import gc
from pathlib import Path
from typing import Any

import mlflow
import prepare
from forms import Forms
from guard import Guard
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.pyfunc import PyFuncModel, load_model, scoring_server

from shared_models import InvalidInput, Model, card


class Served:
    """The model as the scoring server asks it. What only the graph can refuse is refused without a stack trace."""

    def __init__(self, model: PyFuncModel) -> None:
        self.metadata: Any = model.metadata
        self._model = model

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        try:
            return self._model.predict(data, params)
        except MlflowException:
            raise
        except Exception as error:
            reason = f"{error}".partition("\n")[0]
            raise MlflowException(f"the model refused the batch: {reason}", BAD_REQUEST) from None


asked = registry.asked()
prepare.ensure(asked)
mlflow.set_tracking_uri(registry.tracking_uri())
uri = registry.uri(asked)
# By its own folder: loaded by that address, MLflow would write a file beside the model, which an image may forbid.
served = Served(load_model(str(Path(download_artifacts(f"{uri}/MLmodel")).parent)))
app = scoring_server.init(served)  # type: ignore[arg-type]  # of a model, it asks metadata and predict alone

folder = registry.folder(asked, served.metadata.metadata["version"])
model = Model(folder, card.read(folder), None, InvalidInput)  # by its card alone: the graph is MLflow's to run
app.add_middleware(Guard, forms=Forms(model, served.metadata.get_input_schema().is_tensor_spec()))
print(f"serving {uri}: {model}", flush=True)

gc.collect()
gc.freeze()  # what MLflow has loaded by now stays for good: no collection between requests needs to look at it
