"""``python -m pipelines.argo run FILE`` and ``lint FILE``."""

import argparse
import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from pipelines.argo import document, lint, resource, step
from pipelines.argo.api import Api
from pipelines.argo.display import Display
from pipelines.argo.engine import Engine, Results
from pipelines.argo.errors import ArgoError
from pipelines.argo.kubectl import Kubectl
from pipelines.argo.tree import Node, Phase
from pipelines.argo.workflow import Container, Dag, Resource, Template, Workflow

WHAT = "pipelines.argo: a stand-in for Argo Workflows on this machine: steps are processes, not pods"
HOME = Path(os.environ.get("SERVELAB_HOME") or Path(__file__).resolve().parents[2] / ".servelab")
# What both images hold of programs is in the toolkit's environment here.
IMAGES = ("servelab-toolkit:1", "servelab-training:1")
FAILED, WRONG, INTERRUPTED = 1, 2, 130


def main() -> int:
    """Run one command; 0 when the workflow succeeded (lint: has no fault), 1 when not, 2 for wrong usage."""
    options = _parser().parse_args()
    try:
        return int(options.run(options))
    except ArgoError as error:
        print(f"pipelines.argo: {error}", file=sys.stderr)
        return WRONG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines.argo", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run a compiled workflow on this machine")
    run.add_argument("file", type=Path)
    run.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    run.add_argument(
        "--timeout", type=float, metavar="S", help="for all but the exit handler (default: the workflow's)"
    )
    where = run.add_mutually_exclusive_group()
    where.add_argument("--runner", metavar="URL", help="resources go to a graph runner, such as http://127.0.0.1:8010")
    where.add_argument("--kubectl", nargs="?", const="kubectl", metavar="PROGRAM", help="resources go to a cluster")
    run.add_argument("--namespace", help="of resources that name none (default: the cluster's, or default)")
    run.add_argument("--interval", type=float, default=1.0, metavar="S", help="between looks at a resource (Argo: 5)")
    run.add_argument("--image", action="append", default=[], metavar="IMAGE=FOLDER",
                     help=f"the folder of programs that stands for an image (known: {', '.join(IMAGES)})")  # fmt: skip
    run.add_argument("--volumes", type=Path, default=HOME / "argo" / "volumes", metavar="FOLDER",
                     help="where the claims of volumes are folders, kept between runs")  # fmt: skip
    run.add_argument("--folder", type=Path, help="an empty one, for the logs and files of this run")
    run.add_argument("--keep", action="store_true", help="keep the files that steps handed to each other")
    run.set_defaults(run=_run)
    check = commands.add_parser("lint", help="what Argo would refuse of a workflow")
    check.add_argument("file", type=Path)
    check.set_defaults(run=_lint)
    return parser


def _lint(options: argparse.Namespace) -> int:
    findings = lint.check(document.load(options.file))
    for finding in findings:
        print(f"{options.file}: {finding}")
    print(f"{options.file}: {len(findings) or 'no'} fault{'s' * (len(findings) != 1)} found")
    return FAILED if findings else 0


def _run(options: argparse.Namespace) -> int:
    workflow = document.read(document.load(options.file))
    tags = _values(workflow, _pairs(options.parameter, "-p NAME=VALUE"))
    machine = _machine(workflow, options)
    cluster = _cluster(workflow, options)
    place: Path = options.folder or HOME / "argo" / "runs" / tags["workflow.name"]
    if place.exists() and any(place.iterdir()):
        raise ArgoError(f"expected an empty folder; {place} has files in it. Name another with --folder")
    print(WHAT, *(f"  left out: {note}" for note in workflow.notes), sep="\n", flush=True)

    async def execute(
        template: Template, folder: Path, values: Mapping[str, str], artifacts: Mapping[str, Path], node: Node
    ) -> Results:
        if isinstance(template.body, Container):
            return await step.run(machine, template, template.body, folder, values, artifacts, node)
        assert cluster is not None  # noqa: S101 - seen to above
        assert not isinstance(template.body, Dag)  # noqa: S101 - the engine's own
        return await resource.run(cluster, options.interval, template, template.body, values, node)

    engine = Engine(workflow, tags, execute, place)
    phase, stopped = asyncio.run(_watched(engine, options.timeout or workflow.seconds))
    if not options.keep:
        for files in place.glob("*/root"):
            shutil.rmtree(files)
    print(f"{workflow.name} {phase.word}; the steps' logs are in {place}", flush=True)
    return INTERRUPTED if stopped else 0 if phase is Phase.SUCCEEDED else FAILED


async def _watched(engine: Engine, seconds: float | None) -> tuple[Phase, bool]:
    """The run beside its display. Ctrl-C stops it and runs the exit handler, as ``argo stop``; another stops that."""
    running = asyncio.create_task(engine.run(seconds))
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        running.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    showing = asyncio.create_task(Display(engine.root).follow())
    try:
        return await running, stopped
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)


def _values(workflow: Workflow, given: Mapping[str, str]) -> dict[str, str]:
    """The tags that every template may use."""
    if unknown := set(given) - set(workflow.parameters):
        known = ", ".join(workflow.parameters) or "none"
        raise ArgoError(f"the workflow has no parameter {', '.join(sorted(unknown))}; its parameters: {known}")
    parameters = {**workflow.parameters, **given}
    if missing := [name for name, value in parameters.items() if value is None]:
        raise ArgoError(f"expected a value of {', '.join(missing)}; say -p {missing[0]}=...")
    uid = str(uuid4())
    values = {
        "workflow.uid": uid,
        "workflow.name": f"{workflow.name}-{uid[:5]}",
        "workflow.namespace": workflow.namespace,
        "workflow.serviceAccountName": "",
        "workflow.priority": "0",
    }
    return values | {f"workflow.parameters.{name}": value or "" for name, value in parameters.items()}


def _machine(workflow: Workflow, options: argparse.Namespace) -> step.Machine:
    """Sees to it that every image has its folder of programs before anything runs."""
    images = dict.fromkeys(IMAGES, Path(sys.executable).parent)
    images |= {image: Path(folder).resolve() for image, folder in _pairs(options.image, "--image IMAGE=FOLDER").items()}
    machine = step.Machine(images, options.volumes.resolve())
    for template in workflow.templates.values():
        if isinstance(template.body, Container):
            machine.programs(template.body.image)
    return machine


def _cluster(workflow: Workflow, options: argparse.Namespace) -> resource.Cluster | None:
    if options.runner:
        if not options.runner.startswith(("http://", "https://")):
            raise ArgoError(f"expected --runner as a URL such as http://127.0.0.1:8010; found {options.runner}")
        return Api(options.runner, options.namespace or "default")
    if options.kubectl:
        return Kubectl(options.kubectl, options.namespace or "")
    if any(isinstance(each.body, Resource) for each in workflow.templates.values()):
        raise ArgoError("the workflow has resource steps; expected --runner http://127.0.0.1:8010 (of "
                        "`.venv/bin/servelab graph run`) or --kubectl (for a cluster)")  # fmt: skip
    return None


def _pairs(given: list[str], form: str) -> dict[str, str]:
    pairs = {}
    for each in given:
        name, sign, value = each.partition("=")
        if not sign or not name:
            raise ArgoError(f"expected {form}; found {each!r}")
        pairs[name] = value
    return pairs


if __name__ == "__main__":
    sys.exit(main())
