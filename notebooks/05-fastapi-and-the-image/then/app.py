"""Seed 001's image server, in our own words, on the shared model: it starts, and every prediction is a 500."""

import os
from io import BytesIO
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, UploadFile
from numpy.typing import NDArray
from PIL import Image

from shared_models import Model, load

print(f"app.py is executed, as the module {__name__}")
app = FastAPI()


def load_model() -> Model:
    return load("mnist")


def pixels(file: bytes) -> NDArray[Any]:
    """One image as the model wants it: a batch of one, grey, 28x28, 0 to 1."""
    _, height, width = model.input.shape
    image = Image.open(BytesIO(file)).convert("L").resize((width, height))
    return np.array([image], np.float32) / 255


@app.get("/")
def root() -> dict[str, str]:
    return {"error": "use POST /prediction instead of root route"}


@app.post("/prediction")
async def prediction(image: UploadFile) -> set[str]:
    digit = model.predict(pixels(await image.read()))[0].argmax()
    return {f"예측한 값은: {digit}입니다."}


if __name__ == "__main__":
    model = load_model()
    uvicorn.run("app:app", host=os.environ.get("HOST") or "127.0.0.1", port=int(os.environ.get("PORT") or 3389))
