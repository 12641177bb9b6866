"""One model behind Flask: named features in and a label out at /predict, and the V1 protocol.

Run it with gunicorn (see README.md). The environment says what is served: MODEL, a name or a folder, and MODEL_VERSION.
"""

import os
from typing import Any

import orjson
from flask import Flask, Response, request
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import BadRequest, ClientDisconnected, HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response as BaseResponse

from shared_models import InvalidInput, load

MAX_BODY = 16 * 2**20  # bytes

model = load(os.environ.get("MODEL") or "iris", os.environ.get("MODEL_VERSION") or None)
app = Flask(__name__, static_folder=None)
# One byte more than we answer: werkzeug cuts a chunked body here without a word, and what reaches the cut is too large.
app.config["MAX_CONTENT_LENGTH"] = MAX_BODY + 1


def answer(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), status, mimetype="application/json")


def read(*keys: str) -> list[Any]:
    """The values of ``keys`` in the JSON body, whatever its content type says."""
    wanted = f"expected a JSON object with {', '.join(keys)}"
    try:
        body = request.get_data(cache=False)
    except (ClientDisconnected, ParseException):  # it stalled, or its chunks are malformed
        raise BadRequest(f"{wanted}; found a body that could not be read to its end") from None
    if len(body) > MAX_BODY:
        raise RequestEntityTooLarge
    try:
        content = orjson.loads(body)  # refuses NaN and Infinity, which are not JSON
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"{wanted}; found malformed JSON: {error}") from None
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing:
        raise BadRequest(f"{wanted}; found no {', '.join(missing)}")
    return [content[key] for key in keys]


@app.post(f"/v1/models/{model.name}:predict")
def predict() -> Response:
    (instances,) = read("instances")
    return answer({"predictions": model.predict(instances)})


@app.get(f"/v1/models/{model.name}")
def ready() -> Response:
    return answer({"name": model.name, "ready": True})


@app.get("/health")
def health() -> Response:
    return answer({"status": "ok", "model": model.name, "version": model.version})


if model.features:  # a model whose columns have no names has no such route

    @app.post("/predict")
    def classify() -> Response:
        return answer({"result": model.predict([read(*model.features)]).argmax(axis=1)})


@app.errorhandler(InvalidInput)
def refuse(error: InvalidInput) -> Response:
    return answer({"error": str(error)}, 400)


@app.errorhandler(HTTPException)
def explain(error: HTTPException) -> BaseResponse:
    response = error.get_response()  # with its headers, such as Allow
    found = f"found {request.method} {request.path}"
    message = {
        404: f"expected a route of the model {model.name}, such as POST /v1/models/{model.name}:predict; {found}",
        405: f"expected one of the methods {response.headers.get('Allow')}; {found}",
        413: f"expected a body of at most {MAX_BODY} bytes; found a larger one",
    }.get(response.status_code, error.description)
    response.data = orjson.dumps({"error": message})
    response.content_type = "application/json"
    return response


if __name__ == "__main__":
    app.run(port=8001)  # Flask's development server: one process, no limits on slow clients
