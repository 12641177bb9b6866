"""Run the compiled pipeline on this machine: ``python run.py --model iris``, and more as ``-p NAME=VALUE``.

Without --runner a graph runner is started for the run, on a free port, and stopped after it. Exit status: 0 when a
version was promoted, 1 when it was not.
"""

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HOME = Path(os.environ.get("SERVELAB_HOME") or ROOT / ".servelab").resolve()
VOLUMES = HOME / "argo" / "volumes"
SERVELAB = str(Path(sys.executable).with_name("servelab"))
MINIMUM = {"iris": "0.9", "mnist": "0.95"}  # of the accuracy; 30 test rows are coarse
LISTENS = re.compile(r"HTTP on (http://\S+)")
# Whatever http_proxy says: a runner and kubectl proxy are on this machine.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
DEPLOYMENTS = "/apis/machinelearning.seldon.io/v1/seldondeployments"
REFUSED = 1


def main() -> int:
    """Run it and say what came of it."""
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__)
    parser.add_argument("--model", default="iris", choices=MINIMUM)
    parser.add_argument("--runner", default="", metavar="URL",
                        help="of a graph runner, as http://127.0.0.1:8010 (default: one for this run)")  # fmt: skip
    parser.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="of the pipeline")
    options = parser.parse_args()
    given = dict(each.partition("=")[::2] for each in options.parameter)
    values = {"model": options.model, "name": options.model, "namespace": "default", "uri": ""}
    values |= {"minimum": MINIMUM[options.model], **given}
    versions = sorted(card.parent.name for card in (ROOT / "shared_models" / options.model).glob("*/card.json"))
    if given.get("version") and given["version"] not in versions:
        parser.error(f"expected version {' or '.join(versions)} of {options.model}; found {given['version']}")
    record = VOLUMES / "servelab-store" / "promoted" / values["namespace"] / f"{values['name']}.json"
    before = _written(record)
    with _runner(options.runner) as url:
        if status := _run(url, values | {"api": url}):
            return status
    if _written(record) == before:
        print("nothing was deployed: the gate refused the model")
        return REFUSED
    return 0


def _run(url: str, values: dict[str, str]) -> int:
    words = [word for name, value in values.items() for word in ("-p", f"{name}={value}")]
    command = [sys.executable, "-m", "pipelines.argo", "run", str(HERE / "pipeline.yaml"), "--runner", url, *words]
    running = subprocess.Popen([*command, "--volumes", str(VOLUMES)], cwd=ROOT)
    # Ctrl-C reaches the runner of workflows by itself. It then rolls back, for which the graph runner must live on.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: running.terminate())
    return running.wait()


def _written(record: Path) -> int:
    """When the record was written, in ns; 0: never."""
    return record.stat().st_mtime_ns if record.exists() else 0


@contextlib.contextmanager
def _runner(url: str) -> Iterator[str]:
    """The URL of the graph runner that was named, or of one that lives as long as this block, out of Ctrl-C's reach."""
    if url:
        try:
            DIRECT.open(url.rstrip("/") + DEPLOYMENTS, timeout=30).close()
        except (OSError, ValueError) as error:  # told before a training of minutes, not after
            raise SystemExit(
                f"expected a graph runner at {url}; found none ({error}). Start one with: .venv/bin/servelab graph run"
            ) from None
        yield url
        return
    log = HOME / "logs" / f"pipeline-runner-{os.getpid()}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [SERVELAB, "graph", "run", "--port", "0", "--no-grpc"]
    with log.open("w") as file:
        started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True, process_group=0)
    print(f"starting a graph runner for this run; its log: {log}", flush=True)
    assert started.stdout is not None  # noqa: S101 - it is a pipe
    try:
        found = next((match for line in started.stdout if (match := LISTENS.search(line))), None)
        if found is None:
            raise SystemExit(f"expected a graph runner; it did not start. What it said is in {log}")
        yield found[1]
    finally:
        started.terminate()
        started.communicate()


if __name__ == "__main__":
    sys.exit(main())
