"""The same model in the words of MLflow's documentation: log it, then `mlflow models serve`."""

import os
import sys
from pathlib import Path

import mlflow
import numpy as np
import onnx
import pandas as pd  # type: ignore[import-untyped]
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

import shared_models

name = os.environ.get("MODEL") or "mnist"
version = os.environ.get("MODEL_VERSION") or "1"
folder = Path(os.environ.get("STATE") or ".").resolve()

mlflow.set_tracking_uri(f"sqlite:///{folder / 'quickstart.db'}")
if mlflow.get_experiment_by_name("quickstart") is None:
    mlflow.create_experiment("quickstart", str(folder / "quickstart"))
mlflow.set_experiment("quickstart")

model = shared_models.load(name, version)
golden = model.golden()
with mlflow.start_run():
    if model.features:
        regression = LogisticRegression()
        regression.coef_ = np.array(model.card.parameters["coefficients"])
        regression.intercept_ = np.array(model.card.parameters["intercepts"])
        regression.classes_ = np.arange(len(model.labels))
        table = pd.DataFrame(golden.inputs[:1].astype(float), columns=list(model.features))
        info = mlflow.sklearn.log_model(
            regression,
            name="model",
            signature=infer_signature(table, golden.outputs),
            input_example=table,
            pyfunc_predict_fn="predict_proba",
            pip_requirements=["scikit-learn", "skops"],
        )
    else:
        info = mlflow.onnx.log_model(
            onnx.load(model.folder / "model.onnx"),
            name="model",
            signature=infer_signature(golden.inputs, golden.outputs),
            input_example=golden.inputs[:1],
            onnx_session_options={"intra_op_num_threads": 1},
            pip_requirements=["onnxruntime"],
        )

os.environ["MLFLOW_TRACKING_URI"] = mlflow.get_tracking_uri()
serve = ["mlflow", "models", "serve", "--model-uri", info.model_uri, "--env-manager", "local"]
os.execvp("mlflow", [*serve, *sys.argv[1:]])  # noqa: S606 - every argument is ours
