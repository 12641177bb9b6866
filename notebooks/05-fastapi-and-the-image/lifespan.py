"""A lifespan, and nothing else: what is done before the first request of a process, and after its last."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

print("executed, as the module", __name__)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    print(f"{app.title}: before the first request, in the module {__name__}")
    yield  # here the requests are answered
    print(f"{app.title}: after the last request, in the module {__name__}")


app = FastAPI(title="hello", lifespan=lifespan)


@app.get("/")
def root() -> str:
    print(f"{app.title}: a request, in the module {__name__}")
    return "hello"


if __name__ == "__main__":
    uvicorn.run("lifespan:app", port=int(os.environ["PORT"]))
