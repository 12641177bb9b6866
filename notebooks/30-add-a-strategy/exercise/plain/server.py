"""One model behind Python's own http.server: the V1 protocol, and no framework.

python server.py HOST PORT. The environment says what is served: MODEL, a name or a folder, and MODEL_VERSION.
"""

import os
import signal  # solution
import sys
import threading  # solution
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson

from shared_models import InvalidInput, load

MAX_BODY = 16 * 2**20  # bytes

model = load(os.environ.get("MODEL") or "iris", os.environ.get("MODEL_VERSION") or None)
READY = f"/v1/models/{model.name}"
PREDICT = f"{READY}:predict"


class Refusal(Exception):
    """What is answered instead of a prediction: an HTTP status, and what was expected and found."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection, one after the other, on a thread of its own."""

    protocol_version = "HTTP/1.1"  # a connection is kept for the next request
    timeout = 3  # seconds that a client may say nothing; then its thread ends
    wbufsize = -1  # an answer's head and body leave together, else the second waits for the first to be acknowledged
    error_content_type = "text/plain; charset=utf-8"  # of what is no HTTP at all
    error_message_format = "expected a request in HTTP; found: %(message)s\n"

    def answer(self) -> None:
        """Read one request to its end, and answer it in JSON."""
        # starter: status, content = 200, self.result(self.body())
        # solution: begin
        status: int = 200
        content: object
        try:
            content = self.result(self.body())
        except InvalidInput as error:
            status, content = 400, {"error": str(error)}
        except Refusal as error:
            status, content = error.status, {"error": str(error)}
        # solution: end
        data = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 405:  # solution
            self.send_header("Allow", "POST" if self.path == PREDICT else "GET")  # solution
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        """As the others: `result` looks at path and method."""
        self.answer()

    def do_POST(self) -> None:
        """As the others."""
        self.answer()

    # solution: begin
    def do_PUT(self) -> None:
        """As the others."""
        self.answer()

    def do_DELETE(self) -> None:
        """As the others."""
        self.answer()

    # solution: end
    def result(self, body: bytes) -> object:
        """What a request is answered."""
        if self.path in (READY, "/health"):
            self.require("GET")  # solution
            return {"name": model.name, "ready": True}
        # starter: if self.path.startswith("/v1/models/"):
        # starter:     return {"predictions": model.predict(orjson.loads(body)["instances"])}
        # starter: raise Refusal(404, f"no such path: {self.path}")
        # solution: begin
        if self.path != PREDICT:
            raise Refusal(404, f"expected a route of the model {model.name}, such as POST {PREDICT}; found {self.path}")
        self.require("POST")
        wanted = 'expected a JSON object with "instances", a list of rows'
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Refusal(400, f"{wanted}; found malformed JSON: {error}") from None
        if not isinstance(content, dict) or "instances" not in content:
            raise Refusal(400, f"{wanted}; found no instances")
        return {"predictions": model.predict(content["instances"])}

    def require(self, method: str) -> None:
        """Refuse any other method."""
        if self.command != method:
            raise Refusal(405, f"expected {method} {self.path}; found {self.command}")
        # solution: end

    def body(self) -> bytes:
        """The whole body; one that is too large is read to its end, so that its sender listens, but not kept."""
        pieces, size = [], 0
        for piece in self.pieces():
            size += len(piece)
            if size <= MAX_BODY:  # solution
                pieces.append(piece)  # solution
            # starter: pieces.append(piece)
        # solution: begin
        if size > MAX_BODY:
            raise Refusal(413, f"expected a body of at most {MAX_BODY} bytes; found {size}")
        # solution: end
        return b"".join(pieces)

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives, whether its length is told before, or of each chunk (RFC 9112, 6 and 7.1)."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := self.number(self.rfile.readline(100).partition(b";")[0], 16):
                yield from self.exactly(size)
                self.rfile.readline(100)
            while self.rfile.readline(MAX_BODY).strip():  # trailers
                pass
        else:
            yield from self.exactly(self.number(self.headers.get("Content-Length", "0").encode(), 10))

    def exactly(self, size: int) -> Iterator[bytes]:
        """So many bytes of the body, in pieces."""
        while size:
            piece = self.rfile.read(min(size, 2**16))
            if not piece:
                self.close_connection = True
                raise Refusal(400, f"expected {size} more bytes of the body; found its end")
            size -= len(piece)
            yield piece

    def number(self, digits: bytes, base: int) -> int:
        """A length as the client states it."""
        try:
            size = int(digits, base)
        except ValueError:
            size = -1
        if size < 0:
            self.close_connection = True  # nobody knows where the next request begins
            raise Refusal(400, f"expected the length of the body; found {digits.decode('latin-1')!r}")
        return size

    def log_message(self, *_: object) -> None:
        """No line for each request."""


class Server(ThreadingHTTPServer):
    """A thread for each connection."""

    request_queue_size = 128  # connections that wait to be accepted
    daemon_threads = False  # solution


def main() -> None:
    """Serve until SIGTERM."""
    server = Server((sys.argv[1], int(sys.argv[2])), Handler)
    # solution: begin
    # Of another thread: shutdown waits for serve_forever, which this signal interrupts. server_close then waits for
    # the threads of all connections, and so for what is in flight.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    # solution: end
    server.serve_forever()
    server.server_close()  # solution


if __name__ == "__main__":
    main()
