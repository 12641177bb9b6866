"""How requests are read and answers written, in the place of what BentoML would make of the types.

It would look at each number before `Model.rows` does so again, fetch the URL that stands in a form where a file should,
and answer 500 to a form that is none.
"""

import json
import logging
from pathlib import Path
from typing import Annotated, Any, Self

import bentoml
import orjson
from bentoml.exceptions import BadInput, BentoMLException
from numpy.typing import NDArray
from pydantic import WithJsonSchema
from served import card, folder, model, refusals
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

# BentoML logs a traceback whenever it answers 400; what its clients do wrong must not fill the disk.
logging.getLogger("bentoml._internal.server.http_app").addFilter(
    lambda record: not (record.exc_info and isinstance(record.exc_info[1], BentoMLException))
)


def _described() -> dict[str, Any]:
    """Instances, as the page shows them: nested arrays of the model's shape, and one that it was given."""
    item: dict[str, Any] = {"type": "number"}
    for size in reversed(card.input.shape[1:]):
        item = {"type": "array", "items": item} | ({"minItems": size, "maxItems": size} if size else {})
    example = json.loads((folder / "golden.json").read_bytes())["inputs"][:1]
    return {"type": "array", "items": item, "minItems": 1, "example": example}


class Instances(bentoml.IODescriptor):  # type: ignore[misc]
    """A V1 request."""

    instances: Annotated[Any, WithJsonSchema(_described())]

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> Self:  # noqa: ARG003 - bentoml's signature
        """The rows, checked, whatever the content type says."""
        body = await request.body()
        try:
            content = orjson.loads(body)  # refuses NaN and Infinity, which are not JSON
        except orjson.JSONDecodeError as error:
            raise BadInput(f"expected a JSON object with instances; found malformed JSON: {error}") from None
        if not isinstance(content, dict) or "instances" not in content:
            raise BadInput("expected a JSON object with instances; found no instances")
        with refusals():
            return cls.model_construct(instances=model().rows(content["instances"]))  # type: ignore[no-any-return]


class Predictions(bentoml.IODescriptor):  # type: ignore[misc]
    """A V1 answer."""

    predictions: list[list[float]]

    @classmethod
    async def to_http_response(cls, obj: NDArray[Any], serde: object) -> Response:  # noqa: ARG003
        """The rows of probabilities as JSON."""
        body = orjson.dumps({"predictions": obj}, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, media_type="application/json")


class Upload(bentoml.IODescriptor):  # type: ignore[misc]
    """A multipart form with a file."""

    image: Path  # so that the page shows a file; it is handed on as its bytes

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> Self:  # noqa: ARG003
        """The file's bytes."""
        try:
            file = (await request.form()).get("image")
        except HTTPException as error:
            raise BadInput(f"expected a multipart form; found a body that is none: {error.detail}") from None
        if not isinstance(file, UploadFile):
            raise BadInput("expected a multipart form with a file in the field image; found none")
        return cls.model_construct(image=await file.read())  # type: ignore[no-any-return]
