"""One model behind three handlers. Each waits 20 ms before it answers, as a handler does that asks a database.

`uvicorn variants:app` serves all three: /blocking, /threads and /awaiting, then /v1/models/iris:predict.
"""

import asyncio
import time
from typing import Any

from fastapi import FastAPI

from shared_models import load

WAIT = 0.02  # seconds
ROUTE = "/v1/models/iris:predict"

model = load("iris")
app = FastAPI()


def answer(content: dict[str, Any]) -> dict[str, Any]:
    return {"predictions": model.predict(content["instances"]).tolist()}


@app.post(f"/blocking{ROUTE}")
async def blocking(content: dict[str, Any]) -> dict[str, Any]:
    time.sleep(WAIT)
    return answer(content)


@app.post(f"/threads{ROUTE}")
def threads(content: dict[str, Any]) -> dict[str, Any]:
    time.sleep(WAIT)
    return answer(content)


@app.post(f"/awaiting{ROUTE}")
async def awaiting(content: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(WAIT)
    return answer(content)
