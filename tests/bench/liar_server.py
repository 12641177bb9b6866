"""Serves iris from the golden file, on the standard library alone; lies "always", or "later": after 400 answers."""

import itertools
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

GOLDEN = json.loads((Path(__file__).parents[2] / "shared_models/iris/1/golden.json").read_text())


def key(row: list[float]) -> tuple[float, ...]:
    return tuple(round(value, 4) for value in row)


OUTPUTS = {key(row): output for row, output in zip(GOLDEN["inputs"], GOLDEN["outputs"], strict=True)}
LIES_AFTER = {"always": 0, "later": 400}[sys.argv[3]]
ANSWERS = itertools.count()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet per answer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        rows = [list(OUTPUTS[key(row)]) for row in json.loads(body)["instances"]]
        if next(ANSWERS) >= LIES_AFTER:
            rows = [[row[0] + 0.5, *row[1:]] for row in rows]
        answer = json.dumps({"predictions": rows}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
