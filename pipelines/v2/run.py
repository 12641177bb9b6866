"""Run the pipeline on this machine by kfp.local, against a graph runner or a cluster: ``python run.py --model iris``.

Tasks are processes here, or containers with --docker; what they do is the same. Without --runner a graph runner is
started for the run and stopped after it. What kfp.local and that runner say goes to a log file, which the last line
names. Exit status: 0 when a version was promoted, 1 when it was not.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from kfp import local

from pipeline import IMAGE, train_and_deploy  # isort: skip  # the files beside this one
from telling import Telling  # isort: skip

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = Path(os.environ.get("SERVELAB_HOME") or ROOT / ".servelab").resolve()
DEPLOYMENTS = "/apis/machinelearning.seldon.io/v1/namespaces/{}/seldondeployments"
START_SECONDS = 60.0
TRAINED = ("iris", "mnist")
MINIMUM = {"iris": 0.9}  # 30 test rows are a coarse measure
USUAL_MINIMUM = 0.95
REFUSED = "the model is refused: "  # what the gate's message starts with
# Whatever http_proxy says: the steps ask the Kubernetes API without one, too.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main() -> int:
    """Run it, say what came of it, and ask the deployed server for one prediction."""
    options = _options()
    if not shutil.which("servelab"):
        print("expected the toolkit's programs on PATH; type: make pipeline-run", file=sys.stderr)
        return 2
    record = options.store / "promoted" / options.namespace / f"{options.name}.json"
    before, began = _written(record), time.time()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the runner is stopped then, too
    with _log(options.name) as log, _runner(options.runner, log) as api:
        telling = Telling(log, sys.stdout)
        try:
            failure = _run(options, api, telling)
        except (KeyboardInterrupt, SystemExit):
            telling.end_line()
            if options.runner and _written(record) == before:
                _undo(options, began)
            raise
        if not failure and _written(record) == before:
            failure = _refusal(options, telling)
        print(failure or _success(options, json.loads(record.read_text()), api), f"Log: {log.name}")
    return 1 if failure else 0


def _options() -> argparse.Namespace:
    """What was asked for; a model or version that there is not ends this with status 2, before anything is started."""
    parser = _parser()
    options = parser.parse_args()
    folder = Path(options.model)
    if not (options.version and folder.is_dir()):
        if options.model not in TRAINED:
            parser.error(
                f"expected --model {' or '.join(TRAINED)}, or with --version a model's folder; found {options.model}"
            )
        versions = sorted(card.parent.name for card in (ROOT / "shared_models" / options.model).glob("*/card.json"))
        if options.version and options.version not in versions:
            parser.error(f"expected --version {' or '.join(versions)} of {options.model}; found {options.version}")
    options.name = options.name or re.sub("[^a-z0-9]+", "-", folder.name.lower()).strip("-")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__)
    parser.add_argument("--model", default="iris", help="iris or mnist; with --version also a folder")
    parser.add_argument("--version", default="", help="of the shared models, to be taken instead of trained")
    parser.add_argument("--label-noise", type=float, default=0.0, help="1 sabotages the training")
    parser.add_argument("--minimum", type=float, help="accuracy that the gate wants (default: 0.9 of iris, else 0.95)")
    parser.add_argument("--p99", type=float, default=0.0, help="bound on service times in ms (default: none)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of load (default: 5)")
    parser.add_argument("--name", default="", help="of the deployment (default: the model's)")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--runner", default="", metavar="URL",
                        help="of a graph runner, such as http://127.0.0.1:8010, or of kubectl proxy")  # fmt: skip
    parser.add_argument("--store", type=Path, default=HOME / "store", help="folder for models and records")
    parser.add_argument("--docker", action="store_true", help=f"tasks as containers of {IMAGE}")
    return parser


def _run(options: argparse.Namespace, api: str, telling: Telling) -> str:
    """Run the pipeline; what went wrong, or nothing."""
    # Limits, volumes and images are for a cluster: kfp.local says so for each task.
    warnings.filterwarnings("ignore", message=".*no effect in the current local runner.*")
    warnings.filterwarnings("ignore", message=".*non-Python base image.*", category=RuntimeWarning)
    minimum = MINIMUM.get(options.model, USUAL_MINIMUM) if options.minimum is None else options.minimum
    with tempfile.TemporaryDirectory(prefix="pipeline-") as folder:
        # kfp.local leaves a folder of every task where these say; so they go with the run.
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        local.init(_handler(options), pipeline_root=folder)
        try:
            with contextlib.redirect_stdout(telling):
                train_and_deploy(
                    model=options.model,
                    version=options.version,
                    label_noise=options.label_noise,
                    minimum=minimum,
                    name=options.name,
                    namespace=options.namespace,
                    seconds=options.seconds,
                    p99=options.p99,
                    api=api,
                    store=str(options.store.resolve()),
                    uri="",
                )
        except RuntimeError as error:
            whys = [f"{task} failed: {telling.said[task] or 'it said nothing'}" for task in telling.failed]
            return f"the pipeline promoted nothing: {'; '.join(whys) or error}."
    return ""


def _refusal(options: argparse.Namespace, telling: Telling) -> str:
    """What the gate said, of which model."""
    what = f"{options.model} version {options.version}" if options.version else f"the trained {options.model}"
    why = next((said.removeprefix(REFUSED) for said in telling.said.values() if said.startswith(REFUSED)), "")
    return f"the gate refused {what}: {why}; nothing was deployed."


def _success(options: argparse.Namespace, promoted: dict[str, Any], api: str) -> str:
    """The version and one prediction of its server, and how to keep that server where this run stops it."""
    url, answer = _prediction(promoted["manifest"], api)
    if options.runner:
        return f"promoted version {promoted['version']}; {url} answers the first golden: {answer}."
    ways = [f"make serve-kfp MODEL={options.model} VERSION={options.version}"] if options.version else []
    ways += ["RUNNER=http://127.0.0.1:8010 with a runner that stays (.venv/bin/servelab graph run)"]
    return (
        f"promoted version {promoted['version']}; its server (stopped now) answered the first golden: {answer}. "
        f"To serve it: {', or '.join(ways)}."
    )


def _undo(options: argparse.Namespace, began: float) -> None:
    """What the exit handler does after a failure: kfp.local runs none when it is interrupted."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for previous in options.store.glob("runs/*/previous.json"):
        if previous.stat().st_mtime >= began:
            command = ["servelab", "step", "rollback", "--name", options.name, "--namespace", options.namespace]
            subprocess.run([*command, "--previous", str(previous), "--api", options.runner], check=False)


def _handler(options: argparse.Namespace) -> local.SubprocessRunner | local.DockerRunner:
    if not options.docker:
        return local.SubprocessRunner(use_venv=False)
    store = str(options.store.resolve())
    options.store.mkdir(parents=True, exist_ok=True)
    # The host's network, for the runner listens on loopback alone; this user, for the store is this user's.
    return local.DockerRunner(network_mode="host", user=f"{os.getuid()}:{os.getgid()}",
                              mounts=[{"Type": "bind", "Source": store, "Target": store}])  # fmt: skip


@contextlib.contextmanager
def _log(name: str) -> Iterator[TextIO]:
    """A file of this run's own."""
    folder = HOME / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"pipeline-{name}-{os.getpid()}.log").open("a", encoding="utf-8") as file:
        yield file


@contextlib.contextmanager
def _runner(url: str, log: TextIO) -> Iterator[str]:
    """The URL of the runner that was named, or of one that lives as long as this block."""
    if url:
        try:
            _ask(url.rstrip("/") + DEPLOYMENTS.format("default"))
        except (OSError, ValueError) as error:  # told before a training of minutes, not after
            raise SystemExit(
                f"expected a graph runner, or kubectl proxy, at {url}; found none ({error}). "
                "Start one with: .venv/bin/servelab graph run"
            ) from None
        yield url.rstrip("/")
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    started = subprocess.Popen(["servelab", "graph", "run", "--port", str(port), "--no-grpc"], stdout=log, stderr=log)
    try:
        _wait(url, started, log.name)
        yield url
    finally:
        started.terminate()
        started.wait()


def _wait(url: str, started: "subprocess.Popen[bytes]", log: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and started.poll() is None:
        with contextlib.suppress(OSError):
            _ask(url + DEPLOYMENTS.format("default"))
            return
        time.sleep(0.1)
    raise SystemExit(f"the graph runner did not answer on {url}; what it said is in {log}")


def _written(record: Path) -> int:
    return record.stat().st_mtime_ns if record.exists() else 0


def _prediction(manifest: dict[str, Any], api: str) -> tuple[str, str]:
    """The deployed server's URL, and its answer to one row."""
    deployed = _ask(f"{api}{DEPLOYMENTS.format(manifest['metadata']['namespace'])}/{manifest['metadata']['name']}")
    url = deployed["status"]["address"]["url"]
    folder = Path(manifest["spec"]["predictors"][0]["graph"]["modelUri"].removeprefix("file://"))
    row = json.loads((folder / "golden.json").read_text())["inputs"][:1]
    (found,) = _ask(url, {"data": {"ndarray": row}})["data"]["ndarray"]
    labels = json.loads((folder / "card.json").read_text())["labels"]
    return url, f"{labels[found.index(max(found))]} ({max(found):.3f})"


def _ask(url: str, document: object = None) -> Any:
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - a URL of ours
    with DIRECT.open(request, timeout=30) as answer:
        return json.load(answer)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; nothing that this run started is left")
