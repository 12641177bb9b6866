"""The first server that courses teach: right for good input. Seed 000's, in our own words, on the shared model."""

import os

import numpy as np
from flask import Flask, Response, jsonify, request

from shared_models import load

model = load("iris")  # once, when the program starts: not at each request
app = Flask(__name__)


@app.post("/predict")
def classify() -> Response:
    flower = request.get_json(force=True)  # as JSON, whatever the Content-Type header says
    names = ("sepal_length", "sepal_width", "petal_length", "petal_width")
    row = np.array([flower[name] for name in names]).reshape(1, -1)  # one flower: a batch of one
    return jsonify(result=model.predict(row).argmax(axis=1).tolist())


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT") or 5000), debug=os.environ.get("DEBUG") == "1")
