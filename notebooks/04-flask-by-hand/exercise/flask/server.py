"""Iris behind Flask, under the same command and on the same routes as strategies/flask: yours to make safe.

It answers good input. Bad input must be a 400 whose "error" says what was expected and what was found. model.predict
looks at every row, and raises InvalidInput with just such a message: the rows need no check of their own.
"""

import os
from typing import Any

import orjson  # solution
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from shared_models import InvalidInput, load

model = load(os.environ.get("MODEL") or "iris", os.environ.get("MODEL_VERSION") or None)
app = Flask(__name__, static_folder=None)


def read(*keys: str) -> list[Any]:
    """The values of ``keys`` in the JSON object that the client sent, whatever its content type says."""
    # starter: content = request.get_json(force=True)
    # solution: begin
    wanted = f"expected a JSON object with {', '.join(keys)}"
    try:
        content = orjson.loads(request.get_data())
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"{wanted}; found malformed JSON: {error}") from None
    if not isinstance(content, dict):
        raise InvalidInput(f"{wanted}; found {type(content).__name__}")
    missing = [key for key in keys if key not in content]
    if missing:
        raise InvalidInput(f"{wanted}; found no {', '.join(missing)}")
    # solution: end
    return [content[key] for key in keys]


@app.post(f"/v1/models/{model.name}:predict")
def predict() -> Response:
    (instances,) = read("instances")
    return jsonify(predictions=model.predict(instances).tolist())


@app.post("/predict")
def classify() -> Response:
    flower = read(*model.features)
    return jsonify(result=model.predict([flower]).argmax(axis=1).tolist())


@app.get("/health")
def health() -> Response:
    return jsonify(status="ok")


# solution: begin
@app.errorhandler(InvalidInput)
def refuse(error: InvalidInput) -> tuple[Response, int]:
    return jsonify(error=str(error)), 400


# solution: end
@app.errorhandler(HTTPException)
def explain(error: HTTPException) -> Any:
    """What Flask itself refuses, such as an unknown route: in JSON, where Flask would answer a page of HTML."""
    response = error.get_response()  # with its headers, such as Allow
    message = "the server failed; its log says where" if error.code == 500 else error.description
    response.data = jsonify(error=f"{message} ({request.method} {request.path})").get_data()
    response.content_type = "application/json"
    return response
