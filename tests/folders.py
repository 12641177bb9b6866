"""Strategy folders made on the spot, with a real server of the standard library, for tests of the toolkit itself."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

# Serves the V1 route of MODEL rightly; HOOK is where a test puts its misbehaviour, before the server starts.
SERVER = """
import json, os, signal, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import numpy as np
import shared_models

model = shared_models.load(os.environ["MODEL"], os.environ["MODEL_VERSION"] or None)

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(200, {"status": "ok"})
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            self.answer(200, {"predictions": predict(json.loads(body)["instances"])})
        except (ValueError, KeyError, TypeError) as error:
            self.answer(400, {"error": f"expected instances; found {error!r}"})
    def log_message(self, *arguments):
        pass

def predict(instances):
    return model.predict(instances).tolist()

# HOOK
ThreadingHTTPServer.daemon_threads = False
server = ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler)
server.serve_forever()
"""

TOML = """
name = "{name}"
title = "Standard library"
summary = "tests of the toolkit"
family = "web framework"
models = ["iris", "mnist"]
command = {command}
port = 8999
stop = "main"
protocol = "v1"
health = "/health"
python = ["3.11", "3.12"]
status = "active"
licence = "PSF-2.0"
tier = 0
{more}
[env]
MODEL = "{{model}}"
MODEL_VERSION = "{{version}}"
{env}
"""


def make(
    parent: Path,
    name: str = "plain",
    hook: str = "",
    more: str = "",
    server: str = SERVER,
    env: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """A strategy folder below ``parent`` whose server runs on this interpreter, with ``hook`` put into it.

    ``more`` is put into its strategy.toml, ``env`` into the server's environment.
    """
    folder = parent / name
    folder.mkdir(parents=True)
    command = json.dumps([sys.executable, "server.py", "{host}", "{port}"])
    variables = "\n".join(f"{key} = {json.dumps(value)}" for key, value in env.items())
    (folder / "strategy.toml").write_text(TOML.format(name=name, command=command, more=more, env=variables))
    (folder / "server.py").write_text(server.replace("# HOOK", hook))
    (folder / "requirements.txt").write_text("")
    return folder
