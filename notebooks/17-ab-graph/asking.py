"""Many messages to a graph, over a few connections that are kept alive."""

import http.client
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

JSON = {"Content-Type": "application/json"}


def ask(url: str, messages: Sequence[Any], connections: int = 4, timeout: float = 30.0) -> list[tuple[int, Any]]:
    """The status and the JSON of each answer, in the order of the messages; an OSError when none comes."""
    shares = [messages[start::connections] for start in range(connections)]
    with ThreadPoolExecutor(connections) as pool:
        parts = list(pool.map(lambda share: _one_by_one(url, share, timeout), shares))
    return [parts[i % connections][i // connections] for i in range(len(messages))]


def _one_by_one(url: str, messages: Sequence[Any], timeout: float) -> list[tuple[int, Any]]:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=timeout)
    answers = []
    try:
        for message in messages:
            connection.request("POST", address.path, json.dumps(message), JSON)
            with connection.getresponse() as response:
                answers.append((response.status, json.loads(response.read())))
    finally:
        connection.close()
    return answers
