"""The same model in the words of FastAPI's documentation; `bench` compares server.py with it."""

import os
from pathlib import Path

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

import shared_models

name = os.environ.get("MODEL") or "mnist"
version = os.environ.get("MODEL_VERSION") or "1"
folder = Path(shared_models.__file__).parent / name / version

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(folder / "model.onnx", options)
input_name = session.get_inputs()[0].name

app = FastAPI()

Instance = list[float] if name == "iris" else list[list[float]]


class PredictRequest(BaseModel):
    instances: list[Instance]  # type: ignore[valid-type]  # known when the program runs


class PredictResponse(BaseModel):
    predictions: list[list[float]]


@app.post(f"/v1/models/{name}:predict")
def predict(request: PredictRequest) -> PredictResponse:
    instances = np.array(request.instances, dtype=np.float32)
    (probabilities,) = session.run(None, {input_name: instances})
    return PredictResponse(predictions=probabilities.tolist())


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}
