"""Log, register and promote the models that will be served: run it before the server; a second run changes nothing.

    python prepare.py [MODEL ...]

Each version of a model is a run of its own, with parameters, metrics, signature and input example; version 1 becomes
the champion. Who has switched the alias since finds it as it was.
"""

import fcntl
import logging
import re
import sys
from collections.abc import Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import registry

import shared_models
from shared_models import Model, Tensor

TOLERANCE = 1e-5  # absolute, on probabilities: the card rounds its parameters to six decimals


def ensure(*wanted: str) -> None:
    """Register the models, each a name or a folder, unless that is done. Raises ModelError."""
    store = registry.store()
    missing = [model for model in wanted if not _mark(store, model).exists()]
    if not missing:  # without importing MLflow, which takes a second
        return
    store.mkdir(parents=True, exist_ok=True)
    with (store / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for model in missing:
            if not _mark(store, model).exists():  # another process may have registered it while we waited
                _register(model)
                _mark(store, model).touch()


def _mark(store: Path, model: str) -> Path:
    return store / f"{registry.registered_name(model)}.registered"


def _register(model: str) -> None:
    import mlflow

    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)  # it misses pip, which uv does without
    mlflow.set_tracking_uri(registry.tracking_uri())
    name = registry.registered_name(model)
    client = mlflow.MlflowClient()
    if client.search_registered_models(f"name = '{name}'"):  # half done by a process that was stopped
        client.delete_registered_model(name)
    if mlflow.get_experiment_by_name(name) is None:
        mlflow.create_experiment(name, artifact_location=str(registry.store() / "artifacts"))
    mlflow.set_experiment(name)
    versions = shared_models.available()[model] if registry.is_shared(model) else (None,)
    numbers = [_log(shared_models.load(model, version), name) for version in versions]
    if registry.is_shared(model) and numbers != list(versions):
        raise SystemExit(f"expected {name} to be registered as versions {versions}; found {numbers}")
    client.set_registered_model_alias(name, registry.CHAMPION, numbers[0])


def _log(model: Model, name: str) -> str:
    """Log one version as a run of its own; the number under which it is registered."""
    import mlflow

    with mlflow.start_run(run_name=f"{model.name} {model.version}"):
        mlflow.log_params(_named(model.card.training))
        if isinstance(accuracy := model.card.accuracy.get("value"), float):
            mlflow.log_metric("accuracy", accuracy)
        mlflow.set_tags(_named(model.card.data))
        flavour = _log_regression if "coefficients" in model.card.parameters else _log_graph
        logged = flavour(model, name)
    _require_parity(model, logged)
    return str(logged.registered_model_version)


def _named(words: Mapping[str, Any]) -> dict[str, Any]:
    """The same under names that MLflow allows."""
    return {re.sub(r"[^\w. :/-]", "_", key): word for key, word in words.items()}


def _log_graph(model: Model, name: str) -> Any:
    """The ONNX flavour: the graph, a tensor in and a tensor out, on one thread per request as everywhere."""
    import mlflow.onnx
    import numpy as np
    import onnx
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    def spec(tensor: Tensor, called: str | None = None) -> TensorSpec:
        return TensorSpec(np.dtype(tensor.dtype), tuple(size or -1 for size in tensor.shape), called)

    graph = onnx.load(model.folder / "model.onnx")
    outputs = [output for output in graph.graph.output if output.name == model.output.name]
    del graph.graph.output[:]  # MLflow would answer with every output, such as labels beside their probabilities
    graph.graph.output.extend(outputs)
    return mlflow.onnx.log_model(
        graph,
        signature=ModelSignature(Schema([spec(model.input)]), Schema([spec(model.output, model.output.name)])),
        input_example=model.golden().inputs[:1],
        onnx_execution_providers=["CPUExecutionProvider"],
        onnx_session_options={"intra_op_num_threads": 1, "inter_op_num_threads": 1},
        save_as_external_data=False,
        **_common(model, name, "onnxruntime"),
    )


def _log_regression(model: Model, name: str) -> Any:
    """The scikit-learn flavour, rebuilt from the card's coefficients and saved by skops: no pickle anywhere."""
    import mlflow.sklearn
    import numpy as np
    import pandas as pd  # type: ignore[import-untyped]
    from mlflow.models import infer_signature
    from sklearn.linear_model import LogisticRegression

    regression = LogisticRegression()
    regression.coef_ = np.array(model.card.parameters["coefficients"])
    regression.intercept_ = np.array(model.card.parameters["intercepts"])
    regression.classes_ = np.arange(len(model.labels))
    regression.n_features_in_ = len(model.features)
    regression.feature_names_in_ = np.array(model.features, dtype=object)
    golden = model.golden()
    table = pd.DataFrame(golden.inputs.astype(float), columns=list(model.features))
    return mlflow.sklearn.log_model(
        regression,
        signature=infer_signature(table, golden.outputs),
        input_example=table[:1],
        pyfunc_predict_fn="predict_proba",
        serialization_format="skops",
        **_common(model, name, "scikit-learn", "skops"),
    )


def _common(model: Model, name: str, *packages: str) -> dict[str, Any]:
    requirements = [f"{package}=={installed(package)}" for package in ("mlflow", "numpy", *packages)]
    metadata = {"version": model.version}  # whose card the server validates by
    return {
        "name": "model",
        "registered_model_name": name,
        "pip_requirements": requirements,
        "metadata": metadata,
    }


def _require_parity(model: Model, logged: Any) -> None:
    """Refuse to register what answers otherwise than the model: coefficients of the card that its graph has not."""
    import mlflow.pyfunc
    import numpy as np
    import pandas as pd

    golden = model.golden()
    columns = list(model.features) if logged.signature and not logged.signature.inputs.is_tensor_spec() else None
    batch = pd.DataFrame(golden.inputs.astype(float), columns=columns) if columns else golden.inputs
    answer = mlflow.pyfunc.load_model(logged.model_uri).predict(batch)
    found = np.asarray(answer[model.output.name] if isinstance(answer, dict) else answer)
    if not np.allclose(found, model.predict(golden.inputs), rtol=0, atol=TOLERANCE):
        raise SystemExit(
            f"{model.folder}: expected the parameters in card.json to answer as model.onnx does; found other answers. "
            "Correct the card's coefficients and intercepts, or leave them out"
        )


if __name__ == "__main__":
    try:
        ensure(*(sys.argv[1:] or [registry.asked()]))
    except shared_models.ModelError as error:
        raise SystemExit(str(error)) from None
