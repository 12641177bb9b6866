"""The server of notebooks/work/00/flask listens elsewhere than on the port that somebody holds."""

import contextlib
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator

import servelab
from notebooks.course.check import Failure, Work
from servelab import strategy

HELD = 8080
READY = 25.0  # seconds that the server has to predict, of the minute that a check may take


class Holder(http.server.BaseHTTPRequestHandler):
    """Refuses every request, in one line: a listener that never answers would keep whoever asks it waiting."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Somebody listens on the port meanwhile: this check, unless another program does already."""
    try:
        holder = http.server.ThreadingHTTPServer(("127.0.0.1", HELD), Holder)
    except OSError:
        yield
        return
    with holder:
        threading.Thread(target=holder.serve_forever, kwargs={"poll_interval": 0.05}).start()
        try:
            yield
        finally:
            holder.shutdown()


def check_doctor(work: Work) -> Iterator[Failure]:
    """with port 8080 held, the doctor's JSON is all green"""
    folder = work.folder / "flask"
    with held():
        command = [sys.executable, "-c", "from servelab.cli import main; main()", "doctor", "--json", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    for finding in json.loads(done.stdout)["findings"]:
        if not finding["ok"] and not finding["optional"]:
            ours = f"port {HELD} in use" in finding["found"]
            move = f"port = ... in {folder / 'strategy.toml'}; {HELD} stays held, by this check or another program"
            yield Failure(f"{finding['what']}: {finding['found']}", move if ours else finding["remedy"])


def check_predicts(work: Work) -> Iterator[Failure]:
    """with port 8080 held, the server predicts on its own port"""
    folder = work.folder / "flask"
    with held():
        try:
            port = strategy.load(folder).port
            with servelab.serve(folder, model="iris", port=port, timeout=READY) as server:
                label = server.model.labels[server.predict([[5.1, 3.5, 1.4, 0.2]]).argmax()]
        except servelab.ServelabError as error:
            yield Failure(str(error), f"port = ... in {folder / 'strategy.toml'}")
            return
    if label != "setosa":
        yield Failure(f"expected the answer setosa; found {label}", "another program may answer on that port")
