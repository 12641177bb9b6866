"""Runs in the environment of the strategy seldon: answers, through Seldon's own wrapper, what the tests ask of it.

A line of JSON in, {"component": ..., "parameters": {...}, "calls": [[path, body], ...]}; a line out, the [status, body]
of each call, or the error of the constructor as text.
"""

import importlib
import json
import logging
import os
import sys
from typing import Any

from seldon_core.metrics import SeldonMetrics  # type: ignore[import-not-found]
from seldon_core.wrapper import get_rest_microservice  # type: ignore[import-not-found]

logging.disable()
metrics = SeldonMetrics()


def answers(asked: dict[str, Any]) -> Any:
    try:
        component = getattr(importlib.import_module(asked["component"]), asked["component"])(**asked["parameters"])
        component.load()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    client = get_rest_microservice(component, metrics).test_client()
    given = [client.post(path, json=body) for path, body in asked["calls"]]
    return [[each.status_code, each.get_json()] for each in given]


def forked(asked: dict[str, Any]) -> Any:
    """The draws of one Router in each of several processes, forked from the one that made it."""
    router = importlib.import_module("Router").Router(**asked["parameters"])
    router.load()
    return [_drawn_by_a_child(router, asked["draws"]) for _ in range(asked["forks"])]


def _drawn_by_a_child(router: Any, draws: int) -> Any:
    read, write = os.pipe()
    if os.fork() == 0:
        drawn = [router.route(None, []) for _ in range(draws)]
        os.write(write, json.dumps(drawn).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        drawn = json.load(pipe)
    os.wait()
    return drawn


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(forked(asked) if "forks" in asked else answers(asked)), flush=True)
