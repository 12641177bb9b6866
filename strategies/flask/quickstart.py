"""The same model in the words of Flask's documentation; `bench` compares server.py with it."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from flask import Flask, request

import shared_models

name = os.environ.get("MODEL") or "iris"
version = os.environ.get("MODEL_VERSION") or "1"
folder = Path(shared_models.__file__).parent / name / version

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(folder / "model.onnx", options)
input_name = session.get_inputs()[0].name

app = Flask(__name__)


@app.post(f"/v1/models/{name}:predict")
def predict() -> dict[str, Any]:
    instances = np.array(request.get_json()["instances"], dtype=np.float32)
    (probabilities,) = session.run(None, {input_name: instances})
    return {"predictions": probabilities.tolist()}


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}
