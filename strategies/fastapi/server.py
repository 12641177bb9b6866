"""One model behind FastAPI: an image in and a sentence out at /prediction, the V1 protocol, documentation at /docs.

Run it with uvicorn (see README.md). The environment says what is served: MODEL, a name or a folder, and MODEL_VERSION.
"""

import os
from typing import Any

import orjson
import uvicorn
from anyio import CapacityLimiter, to_thread
from body_limit import BodyLimit
from fastapi import FastAPI, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from schema import Error, Health, Predictions, Ready, instances
from starlette.exceptions import HTTPException

from shared_models import InvalidInput, load
from shared_models.mnist import sentence

# Bytes of body answered in the event loop, within a millisecond; a larger one must not hold up other clients.
INLINE = 64 * 2**10
# Images decoded at once: a small file may hold 25 megapixels, which take some 450 MB while they are decoded.
decoders = CapacityLimiter(2)

model = load(os.environ.get("MODEL") or "mnist", os.environ.get("MODEL_VERSION") or None)
route = f"/v1/models/{model.name}:predict"
upload = "expected a multipart form with a file in the field image"
refusals: dict[int | str, dict[str, Any]] = {"4XX": {"model": Error}}
app: FastAPI = FastAPIOffline(title=model.name, version=model.version, redoc_url=None, redirect_slashes=False)
app.add_middleware(BodyLimit)


class Json(Response):
    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def answer(body: bytes) -> Response:
    try:
        content = orjson.loads(body)  # refuses NaN and Infinity, which are not JSON
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"expected a JSON object with instances; found malformed JSON: {error}") from None
    if not isinstance(content, dict) or "instances" not in content:
        raise InvalidInput("expected a JSON object with instances; found no instances")
    return Json({"predictions": model.predict(content["instances"])})


@app.post(route, response_model=Predictions, responses=refusals, openapi_extra=instances(model))
async def predict(request: Request) -> Response:
    """Probabilities, one row per instance."""
    body = await request.body()
    return answer(body) if len(body) <= INLINE else await run_in_threadpool(answer, body)


if model.takes_images:  # decoded in a thread, for it takes its time

    @app.post("/prediction", response_model=list[str], responses=refusals)
    async def prediction(image: UploadFile) -> Response:
        """The digit on an image of any size and kind, in a sentence."""
        row = await to_thread.run_sync(model.preprocess, await image.read(), limiter=decoders)
        probabilities = model.predict([row])
        return Json([sentence(model.labels[probabilities.argmax()])])


@app.get("/")
async def root() -> Error:
    return Error(error=f"use POST {'/prediction' if model.takes_images else route} instead of root route")


@app.get(f"/v1/models/{model.name}")
async def ready() -> Ready:
    return Ready(name=model.name, ready=True)


@app.get("/health")
async def health() -> Health:
    return Health(status="ok", model=model.name, version=model.version)


@app.exception_handler(InvalidInput)
@app.exception_handler(RequestValidationError)  # only /prediction declares what could be invalid
async def refuse(_: Request, error: Exception) -> Response:
    return Json({"error": str(error) if isinstance(error, InvalidInput) else f"{upload}; found none"}, 400)


@app.exception_handler(HTTPException)
async def explain(request: Request, error: HTTPException) -> Response:
    found = f"found {request.method} {request.url.path}"
    message = {
        400: f"{upload}; found a body that is none: {error.detail}",
        404: f"expected a route of the model {model.name}, such as POST {route}; {found}",
        405: f"expected one of the methods {(error.headers or {}).get('Allow')}; {found}",
    }.get(error.status_code, error.detail)
    return Json({"error": message}, error.status_code, error.headers)


@app.exception_handler(Exception)
async def fail(_: Request, error: Exception) -> Response:
    return Json({"error": f"the server failed ({type(error).__name__}); its log says where"}, 500)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=8002, access_log=False)
