"""The types of requests and answers. They document: orjson reads the bodies, and `Model.predict` checks them."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model

from shared_models import Model


class Predictions(BaseModel):
    predictions: list[list[float]]


class Ready(BaseModel):
    name: str
    ready: bool


class Health(BaseModel):
    status: str
    model: str
    version: str


class Error(BaseModel):
    error: str


def instances(model: Model) -> dict[str, Any]:
    """What OpenAPI says of a V1 request to ``model``: nested lists of the model's shape, and one that it was given."""
    item: Any = float
    for size in reversed(model.input.shape[1:]):
        item = Annotated[list[item], Field(min_length=size, max_length=size)]
    body = create_model("Instances", instances=(Annotated[list[item], Field(min_length=1)], ...))
    example = {"instances": model.golden().inputs[:1].astype(float).round(3).tolist()}
    content = {"application/json": {"schema": body.model_json_schema(), "example": example}}
    return {"requestBody": {"required": True, "content": content}}
