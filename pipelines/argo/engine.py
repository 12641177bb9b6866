"""Running a workflow: the tasks of a DAG as their dependencies end, retries, the deadline, the exit handler.

As in Argo: a task runs when each of its dependencies succeeded or was skipped, and its ``when`` holds; after a failure
no further task of that DAG starts, and what runs goes on to its end; the exit handler runs however the rest ended.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipelines.argo import scope, when
from pipelines.argo.errors import ArgoError, StepFailed
from pipelines.argo.tree import BAD, Node, Phase
from pipelines.argo.workflow import Dag, Retry, Task, Template, Workflow

EXIT_SECONDS = 600.0  # for the exit handler, which the workflow's own deadline does not bound


@dataclass(frozen=True, slots=True)
class Results:
    """What a task gave: the text of parameters, the files or folders of artifacts."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, Path] = field(default_factory=dict)


class Execute(Protocol):
    """Runs one try of a template that is a container or a resource, in an empty folder of its own.

    StepFailed when it ran and failed, another ArgoError when it could not run.
    """

    async def __call__(
        self, template: Template, folder: Path, values: Mapping[str, str], artifacts: Mapping[str, Path], node: Node
    ) -> Results:
        """Runs it; ``values`` are those of its tags."""
        ...


class Engine:
    """One run of a workflow. ``root`` shows how far it is."""

    def __init__(self, workflow: Workflow, values: Mapping[str, str], execute: Execute, folder: Path) -> None:
        self.workflow = workflow
        self.values = dict(values)
        self.parameters = {
            key.removeprefix("workflow.parameters."): value
            for key, value in values.items()
            if key.startswith("workflow.parameters.")
        }
        self.execute = execute
        self.folder = folder
        self.root = Node(workflow.name)

    async def run(self, seconds: float | None) -> Phase:
        """The whole; its phase is Failed when the tasks failed or the exit handler did."""
        self.root.begin()
        main = self.root.child(self.workflow.entrypoint, self.workflow.entrypoint)
        status = await self._bounded(self.workflow.entrypoint, main, seconds)
        if self.workflow.on_exit:
            self.values |= {"workflow.status": status.word, "workflow.failures": json.dumps(self._failures())}
            last = self.root.child("onExit", self.workflow.on_exit)
            at_exit = await self._bounded(self.workflow.on_exit, last, EXIT_SECONDS)
            status = at_exit if status is Phase.SUCCEEDED else status
        self.root.end(status)
        return status

    async def _bounded(self, template: str, node: Node, seconds: float | None) -> Phase:
        """A template within a time; stopped by the caller's cancellation it is Failed, as by ``argo stop``."""
        running = asyncio.create_task(self._node(self.workflow.templates[template], node, self.parameters, {}))
        try:
            async with asyncio.timeout(seconds):
                await running
        except TimeoutError:
            node.end(Phase.FAILED, f"not done after {seconds:g} s")
        except asyncio.CancelledError:
            node.end(Phase.FAILED, "stopped")
        return node.phase

    def _failures(self) -> list[dict[str, str]]:
        return [
            {"displayName": each.name, "templateName": each.template, "phase": each.phase.word, "message": each.message}
            for each in self.root.walk()
            if each.phase in BAD and not each.children
        ]

    async def _node(
        self, template: Template, node: Node, parameters: Mapping[str, str], artifacts: Mapping[str, Path]
    ) -> Results:
        """A template to its end; the node tells how it ended, and only a stop is raised."""
        node.begin()
        try:
            values = self.values | _inputs(template, parameters)
            if isinstance(template.body, Dag):
                results = await self._dag(template, template.body, node, values, artifacts)
            else:
                results = await self._tries(template, node, values, artifacts)
        except StepFailed as error:
            node.end(Phase.FAILED, str(error))
        except ArgoError as error:
            node.end(Phase.ERROR, str(error))
        except asyncio.CancelledError:
            node.end(Phase.FAILED, "stopped")
            raise
        else:
            node.end(Phase.SUCCEEDED)
            return results
        return Results()

    async def _tries(
        self, template: Template, node: Node, values: Mapping[str, str], artifacts: Mapping[str, Path]
    ) -> Results:
        retry, number, waited = template.retry, 0, 0.0
        while True:
            pod = f"{self.values['workflow.name']}-{node.name}-{number}"
            own = {"pod.name": pod, "node.name": pod, "retries": str(number)}
            try:
                async with asyncio.timeout(template.seconds) as bound:
                    return await self.execute(template, self._fresh(pod), {**values, **own}, artifacts, node)
            except TimeoutError as error:
                if not bound.expired():
                    raise
                failed: ArgoError = StepFailed(f"not done after {template.seconds:g} s")
                failed.__cause__ = error
            except ArgoError as error:
                failed = error
            pause = retry.wait * retry.factor**number
            waited += pause
            if not _again(retry, failed, number, waited):
                raise failed
            number += 1
            node.message = f"try {number} failed: {failed}"
            await asyncio.sleep(pause)

    def _fresh(self, name: str) -> Path:
        """An empty folder; two nodes of one name (in two DAGs) get two."""
        for number in range(10_000):
            folder = self.folder / (name if number == 0 else f"{name}~{number}")
            if not folder.exists():
                folder.mkdir(parents=True)
                return folder
        raise ArgoError(f"{self.folder} holds ten thousand folders of the name {name}; name an empty one with --folder")

    async def _dag(
        self, template: Template, dag: Dag, node: Node, values: Mapping[str, str], artifacts: Mapping[str, Path]
    ) -> Results:
        nodes = {task.name: node.child(task.name, task.template) for task in dag.tasks}
        known = dict(values)
        files = {f"inputs.artifacts.{name}": path for name, path in artifacts.items()}
        running: dict[asyncio.Task[Results], Task] = {}
        waiting = list(dag.tasks)
        try:
            while True:
                if not any(each.phase in BAD for each in nodes.values()):
                    for task in [task for task in waiting if _ready(task, nodes)]:
                        waiting.remove(task)
                        running[asyncio.create_task(self._task(task, nodes[task.name], known, files))] = task
                if not running:
                    break
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    _remember(running.pop(each), nodes, each.result(), known, files)
        finally:  # empty, unless this DAG itself is being stopped
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            for task in waiting:
                nodes[task.name].end(Phase.OMITTED)
        if bad := [name for name, each in nodes.items() if each.phase in BAD]:
            raise StepFailed(f"{', '.join(bad)} failed")
        return Results(
            {each.name: scope.fill(each.source, known) for each in template.outputs.parameters},
            {each.name: _file(each.source, files) for each in template.outputs.artifacts},
        )

    async def _task(self, task: Task, node: Node, values: Mapping[str, str], files: Mapping[str, Path]) -> Results:
        try:
            condition = scope.fill(task.when, values)
            if not when.holds(condition):
                bare = condition.replace('"', "")
                node.end(Phase.SKIPPED, f"not ({bare})")
                return Results()
            parameters = {name: scope.fill(value, values) for name, value in (task.parameters or {}).items()}
            artifacts = {name: _file(source, files) for name, source in (task.artifacts or {}).items()}
        except ArgoError as error:
            node.end(Phase.ERROR, str(error))
            return Results()
        return await self._node(self.workflow.templates[task.template], node, parameters, artifacts)


def _ready(task: Task, nodes: Mapping[str, Node]) -> bool:
    return all(nodes[name].phase in {Phase.SUCCEEDED, Phase.SKIPPED} for name in task.dependencies)


def _remember(
    task: Task, nodes: Mapping[str, Node], results: Results, known: dict[str, str], files: dict[str, Path]
) -> None:
    """What later tasks may refer to."""
    known[f"tasks.{task.name}.status"] = nodes[task.name].phase.word
    for name, value in results.parameters.items():
        known[f"tasks.{task.name}.outputs.parameters.{name}"] = value
    for name, path in results.artifacts.items():
        files[f"tasks.{task.name}.outputs.artifacts.{name}"] = path


def _inputs(template: Template, parameters: Mapping[str, str]) -> dict[str, str]:
    values = {}
    for each in template.inputs.parameters:
        value = parameters.get(each.name, each.default)
        if value is None:
            raise ArgoError(f"expected a value of {each.name}; found none. Say -p {each.name}=...")
        values[f"inputs.parameters.{each.name}"] = value
    return values


def _file(source: str, files: Mapping[str, Path]) -> Path:
    name = next(scope.tags(source), source)
    if name not in files:
        raise ArgoError(f"failed to resolve {{{{{name}}}}}: no step has written it")
    return files[name]


def _again(retry: Retry, failed: ArgoError, tried: int, waited: float) -> bool:
    """Whether the policy takes this failure for one to try again, and there is a try left."""
    kinds = {"Always": True, "OnFailure": isinstance(failed, StepFailed), "OnError": not isinstance(failed, StepFailed)}
    left = retry.limit is None or tried < retry.limit
    return kinds[retry.policy] and left and (retry.most is None or waited <= retry.most)
