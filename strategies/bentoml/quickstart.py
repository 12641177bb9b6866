"""The same model in the words of BentoML's documentation; `bench` compares server.py with it."""

import os
from typing import Any

import bentoml
import numpy as np
import onnxruntime
from store import source, tag

name = os.environ.get("MODEL") or "iris"


@bentoml.service(workers=int(os.environ.get("WORKERS") or 1))
class Quickstart:
    stored = bentoml.models.BentoModel(tag(source()))

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.stored.path_of("model.onnx"), options)
        self.input_name = self.session.get_inputs()[0].name

    @bentoml.api(route=f"/v1/models/{name}:predict")  # type: ignore[untyped-decorator]
    def predict(self, instances: np.ndarray) -> dict[str, Any]:
        (probabilities,) = self.session.run(None, {self.input_name: instances.astype(np.float32)})
        return {"predictions": probabilities.tolist()}
