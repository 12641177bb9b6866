"""The same graph in the words of FastAPI's and HTTPX's documentation; `bench.hop` compares the gateway with it.

quickstart.py PORT TRANSFORMER ROUTER MODEL MODEL     each component as http://127.0.0.1:9000
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import orjson
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response

JSON = {"Content-Type": "application/json"}

port, transformer, router, *models = sys.argv[1:]
# As many connections as there are requests at once, kept alive.
limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    global client
    async with httpx.AsyncClient(limits=limits, timeout=30.0, trust_env=False) as client:
        yield


client: httpx.AsyncClient
app = FastAPI(lifespan=lifespan)


async def ask(url: str, message: bytes) -> bytes:
    response = await client.post(url, content=message, headers=JSON)
    if response.status_code != 200:
        raise HTTPException(response.status_code, response.text)
    return response.content


@app.post("/api/v1.0/predictions")
async def predict(request: Request) -> Response:
    message = await ask(f"{transformer}/transform-input", await request.body())
    routed = orjson.loads(await ask(f"{router}/route", message))
    branch = int(routed["data"]["ndarray"][0][0])
    answer = orjson.loads(await ask(f"{models[branch]}/predict", message))
    answer["meta"]["routing"] = {"router": branch}
    return Response(orjson.dumps(answer), media_type="application/json")


@app.get("/ready")
async def ready() -> dict[str, bool]:
    return {"ready": True}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(port), access_log=False)
