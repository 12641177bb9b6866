"""Iris in the V2 dialect (Open Inference Protocol, REST): the same model, in another coat."""

from typing import Any

import numpy as np
from flask import Flask, Response, jsonify, request

from shared_models import load

TYPES = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64}

model = load("iris")
app = Flask(__name__)


@app.post(f"/v2/models/{model.name}/infer")
def infer() -> Response:
    (tensor,) = request.get_json(force=True)["inputs"]
    batch = np.array(tensor["data"], TYPES[tensor["datatype"]]).reshape(tensor["shape"])
    answer = model.predict(batch)
    output = {"name": model.output.name, "shape": answer.shape, "datatype": "FP32", "data": answer.ravel().tolist()}
    return jsonify(model_name=model.name, model_version=model.version, outputs=[output])


@app.errorhandler(KeyError)
@app.errorhandler(TypeError)
@app.errorhandler(ValueError)  # also what the model refuses
def refuse(error: Exception) -> Any:
    return jsonify(error=f"expected one tensor in inputs: {type(error).__name__}: {error}"), 400
