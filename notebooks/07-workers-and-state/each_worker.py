"""One request to each worker of a server, all at the same time."""

import contextlib
import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def one_each(url: str, path: str, body: bytes, workers: int = 4, timeout: float = 20.0) -> list[Any]:
    """The JSON answers of ``workers`` requests, each by another worker; TimeoutError, or another OSError, without.

    A client that says ``Expect: 100-continue`` sends its body only when told to (RFC 9110, 10.1.1). gunicorn's default
    worker, once it has told so, waits in the program for that body: the next request goes to another worker. (A program
    that does not read its body does not wait.)
    """
    address = urlsplit(url)
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(workers):
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=timeout)
            held.append(stack.enter_context(contextlib.closing(connection)))
            connection.putrequest("POST", path)
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(body)))
            connection.putheader("Expect", "100-continue")
            connection.endheaders()
        for connection in held:
            if connection.sock.recv(len(CONTINUE), socket.MSG_WAITALL) != CONTINUE:
                raise ConnectionError(f"expected a worker of {url} to take the request; it closed the connection")
        for connection in held:
            connection.send(body)
        return [_answer(connection) for connection in held]


def _answer(connection: http.client.HTTPConnection) -> Any:
    with connection.getresponse() as response:
        text = response.read()
    if response.status != 200:
        raise ConnectionError(f"expected status 200; found {response.status}: {text.decode()[:300]}")
    return json.loads(text)
