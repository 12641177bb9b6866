"""Steps called in this process, and a real graph runner of a test's own."""

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from servelab.paths import ROOT
from servelab.steps import command

V2 = ROOT / "pipelines" / "v2"
PROGRAMS = Path(sys.executable).parent
DEPLOYMENTS = "/apis/machinelearning.seldon.io/v1/namespaces/default/seldondeployments"

# A program that stands before the toolkit's on PATH and fails at one step: the sabotage of a pipeline from outside.
BREAKING = '#!/bin/sh\n[ "$2" = {step} ] && {{ echo sabotaged; exit 1; }}\nexec {servelab} "$@"\n'


def step(*words: object) -> int:
    """`servelab step WORDS` without a process: its status, or the error that it raises."""
    parser = argparse.ArgumentParser()
    command.add(parser)
    options = parser.parse_args([str(word) for word in words])
    return int(options.run(options))


@contextlib.contextmanager
def graph_runner(log: Path) -> Iterator[str]:
    """The URL of a graph runner that serves nothing yet, and ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [str(PROGRAMS / "servelab"), "graph", "run", "--port", str(port), "--no-grpc"]
    with log.open("w") as output:
        running = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while ask(url + DEPLOYMENTS) is None:
            assert running.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield url
    finally:
        running.terminate()
        running.wait(60)


def ask(url: str, document: object = None, method: str | None = None) -> Any:
    """JSON there and back; None when nobody answers or there is no such thing."""
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        error.close()
        return None
    except urllib.error.URLError:
        return None


def environment(**more: str) -> dict[str, str]:
    """This process's, with the toolkit's programs first on PATH."""
    return os.environ | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"} | more


def run_v2(python: str, *words: str, folder: Path, breaks: str = "nothing") -> "subprocess.CompletedProcess[str]":
    """`python run.py WORDS` with its store in the folder, as a user would see it; a step named `breaks` fails.

    Afterwards it has left no temporary file.
    """
    programs, temporary = folder / "programs", folder / "temporary"
    for each in (programs, temporary):
        each.mkdir(exist_ok=True)
    (programs / "servelab").write_text(BREAKING.format(step=breaks, servelab=PROGRAMS / "servelab"))
    (programs / "servelab").chmod(0o755)
    env = environment(TMPDIR=str(temporary), http_proxy="http://127.0.0.1:9")  # nobody listens: loopback needs none
    env["PATH"] = f"{programs}{os.pathsep}{env['PATH']}"
    arguments = [python, str(V2 / "run.py"), "--store", str(folder / "store"), "--seconds", "0.5", *words]
    done = subprocess.run(arguments, env=env, cwd=folder, capture_output=True, text=True, check=False)
    assert not list(temporary.iterdir()), done.stdout
    return done
