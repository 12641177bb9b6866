"""The same model in the words of http.server's documentation; `bench` can compare server.py with it."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import shared_models

model = shared_models.load(os.environ.get("MODEL") or "iris")


class Handler(BaseHTTPRequestHandler):
    """Answers POST, whatever its path."""

    def do_POST(self) -> None:
        """One request."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        predictions = model.predict(json.loads(body)["instances"]).tolist()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"predictions": predictions}).encode())


HTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
