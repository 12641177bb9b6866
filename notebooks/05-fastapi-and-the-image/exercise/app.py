"""The image server: yours to repair. It has to answer however it is started:

    PORT=3389 python app.py
    uvicorn app:app --port 3389
    uvicorn app:app --port 3389 --workers 2

The model is loaded once in each process that answers, before the first request; importing this file loads nothing.
"""

import os
from collections.abc import AsyncIterator  # solution
from contextlib import asynccontextmanager  # solution

import uvicorn
from fastapi import FastAPI, Request, UploadFile
from fastapi.responses import JSONResponse

from shared_models import InvalidInput, load
from shared_models.mnist import sentence


# solution: begin
@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.model = load("mnist")
    yield  # here the requests are answered; what follows would be done at the end


app = FastAPI(title="mnist", lifespan=lifespan)
# solution: end
# starter: app = FastAPI(title="mnist")


@app.get("/")
async def root() -> dict[str, str]:
    return {"error": "use POST /prediction instead of root route"}


@app.post("/prediction")
# starter: async def prediction(image: UploadFile) -> list[str]:
async def prediction(request: Request, image: UploadFile) -> list[str]:  # solution
    """The digit on an image of any size and kind, in a sentence."""
    model = request.app.state.model  # solution
    probabilities = model.predict([model.preprocess(await image.read())])
    return [sentence(model.labels[probabilities.argmax()])]


@app.exception_handler(InvalidInput)
async def refuse(_: Request, error: InvalidInput) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 400)


if __name__ == "__main__":
    # starter: model = load("mnist")
    uvicorn.run("app:app", port=int(os.environ.get("PORT") or 3389))
