"""A small real server of one model: right by default, broken in one way by the environment variable FAULT.

The tests of the conformance kit copy it into a strategy folder and run ``python server.py HOST PORT`` there.
"""

import io
import json
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

import shared_models

FAULT = os.environ.get("FAULT", "")
LIMIT = (64 if FAULT == "no limit" else 16) << 20
MODEL = shared_models.load(os.environ["MODEL"])
VERSIONS = [shared_models.load(MODEL.name, each) for each in os.environ.get("VERSIONS", "").split()] or [MODEL]
PREDICT = f"/v1/models/{MODEL.name}:predict"
DOCS = '<!doctype html><script src="https://cdn.invalid/ui.js"></script>'
in_flight = threading.Semaphore(0)  # its value is the number of requests being answered


class Refused(Exception):
    """A request that is answered with this status and message."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0" if FAULT == "one client at a time" else "HTTP/1.1"
    timeout = 20
    wbufsize = -1  # head and body in one packet

    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(200, {"status": "ok"})
        elif self.path == "/docs":
            self.answer(200, DOCS, "text/html")
        elif self.path == "/metrics":
            self.answer(200, "no metrics yet", "text/plain")
        elif self.path in (PREDICT, *ROUTES):
            self.answer(405, {"error": "expected POST"}, allow="" if FAULT == "405 without Allow" else "POST")
        else:
            self.answer(404, {"error": "expected another path"})

    do_PUT = do_DELETE = do_GET  # noqa: N815

    def do_POST(self) -> None:
        in_flight.release()
        try:
            if self.path not in ROUTES:
                if FAULT != "leaves bodies unread":
                    self.body()
                raise Refused(404, f"expected {PREDICT} of {MODEL.name}")
            self.answer(200, ROUTES[self.path](self, self.body()))
        except Refused as error:
            self.answer(error.args[0], {"error": error.args[1]})
        except shared_models.InvalidInput as error:
            self.answer(400, {"error": str(error)})
        except Exception as error:
            self.answer(500, {"error": repr(error)})
        finally:
            in_flight.acquire()

    def body(self) -> bytes:
        if self.headers["Transfer-Encoding"] == "chunked":
            return b"".join(self.chunks())
        length = int(self.headers["Content-Length"] or 0)
        if length > LIMIT:
            raise Refused(413, "expected at most 16 MiB")
        data = self.rfile.read(length)
        if len(data) < length:
            if FAULT == "hangs on a truncated body":
                time.sleep(12)
            raise Refused(400, f"expected a body of {length} bytes")
        return data

    def chunks(self) -> Iterator[bytes]:
        total = 0
        while True:
            try:
                size = int(self.rfile.readline(), 16)
            except ValueError:
                self.close_connection = True
                raise Refused(400, "expected the size of a chunk") from None
            total += size
            if total > LIMIT:
                raise Refused(413, "expected at most 16 MiB")
            yield self.rfile.read(size)
            self.rfile.readline()
            if not size:
                return

    def answer(self, status: int, content: Any, kind: str = "application/json", allow: str = "") -> None:
        if FAULT == "HTML errors" and status != 200:
            content, kind = f"<!doctype html><h1>{content['error']}</h1>", "text/html"
        data = (content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)).encode()
        self.close_connection |= status == 413
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if allow:
            self.send_header("Allow", allow)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()
        if status == 413:  # closing with unread bytes would reset the connection and lose the answer
            self.connection.shutdown(socket.SHUT_WR)
            while self.connection.recv(1 << 20):
                pass

    def log_message(self, *_: object) -> None:
        pass


def document(body: bytes, *keys: str) -> Any:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing:
        raise Refused(400, f"expected a JSON object with {', '.join(missing)}")
    return content


def predict(_: Handler, body: bytes) -> Any:
    return {"predictions": answers(document(body, "instances")["instances"], body)}


def invocations(_: Handler, body: bytes) -> Any:
    form = "dataframe_split" if MODEL.features else "inputs"
    value = document(body, form)[form]
    rows = value.get("data") if form == "dataframe_split" and isinstance(value, dict) else value
    return {"predictions": {MODEL.output.name: answers(rows, body)}}


def seldon(_: Handler, body: bytes) -> Any:
    message = document(body, "data")
    data, meta = message["data"], message.get("meta", {})
    if not isinstance(meta, dict) or not all(isinstance(meta.get(key, {}), dict) for key in ("tags", "requestPath")):
        raise Refused(400, "expected meta to be an object of objects")
    if not isinstance(data, dict) or not {"ndarray", "tensor"} & data.keys():
        raise Refused(400, "expected data to hold an ndarray or a tensor")
    tensor = data.get("tensor")
    if tensor is None:
        answer: dict[str, Any] = {"ndarray": answers(data["ndarray"], body)}
    else:
        try:
            rows = np.array(tensor["values"]).reshape([abs(size) + 9 * (size < 0) for size in tensor["shape"]])
        except (KeyError, TypeError, ValueError):
            raise Refused(400, "expected a tensor with shape and values") from None
        rows = answers(rows.tolist(), body)
        flat = {"shape": [len(rows), len(rows[0])], "values": [value for row in rows for value in row]}
        answer = {"ndarray": rows} if FAULT == "answers a tensor by rows" else {"tensor": flat}
    return {"data": answer, "meta": {} if FAULT == "loses meta" else meta}


def answers(rows: Any, body: bytes) -> Any:
    if not isinstance(rows, list):
        raise Refused(400, "expected a list of rows")
    if FAULT == "takes numeric strings" and '"5.1"' in str(body):
        rows = np.asarray(rows, np.float32)
    if FAULT == "500 on ragged rows" and len({len(row) for row in rows if isinstance(row, list)}) > 1:
        raise ZeroDivisionError
    if FAULT == "mixes versions in a batch" and len(rows) > 1:
        return [VERSIONS[index % len(VERSIONS)].predict([row])[0].tolist() for index, row in enumerate(rows)]
    chosen = VERSIONS[0] if FAULT == "always one version" else random.choice(VERSIONS)  # noqa: S311 - no secret
    return (chosen.predict(rows) + (1e-3 if FAULT == "wrong numbers" else 0)).tolist()


def features(_: Handler, body: bytes) -> Any:
    content = document(body, *MODEL.features)
    label = MODEL.predict([[content[name] for name in MODEL.features]]).argmax()
    return {"result": [float(label) if FAULT == "labels as floats" else int(label)]}


def image(handler: Handler, body: bytes) -> Any:
    head = f"Content-Type: {handler.headers['Content-Type']}\r\n\r\n".encode()
    parts: Any = message_from_bytes(head + body)
    fields = parts.get_payload() if parts.is_multipart() else []
    files = [field for field in fields if field.get_filename()]
    data = [f.get_payload(decode=True) for f in files if f.get_param("name", header="Content-Disposition") == "image"]
    if not data:
        raise Refused(400, "expected a form with a file in the field image")
    if FAULT == "takes images as they come":
        data[0] = grey(data[0])
    return [f"예측한 값은: {MODEL.predict(MODEL.preprocess(data[0])[np.newaxis]).argmax()}입니다."]


def grey(data: bytes) -> bytes:
    file = io.BytesIO()
    try:
        Image.open(io.BytesIO(data)).convert("L").save(file, "PNG")
    except Exception:
        return data
    return file.getvalue()


ROUTES: dict[str, Callable[[Handler, bytes], Any]] = {
    PREDICT: predict,
    "/invocations": invocations,
    "/api/v1.0/predictions": seldon,
}
if MODEL.features:
    ROUTES["/predict"] = features
if MODEL.takes_images:
    ROUTES["/upload"] = image


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def process_request(self, request: Any, client_address: Any) -> None:
        if FAULT == "one client at a time":
            self.process_request_thread(request, client_address)
        else:
            super().process_request(request, client_address)


def main() -> None:
    server = Server((sys.argv[1], int(sys.argv[2])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    while FAULT != "drops what is in flight" and in_flight._value:
        time.sleep(0.02)
    os._exit(0)  # idle connections are waited for by nobody


if __name__ == "__main__":
    main()
