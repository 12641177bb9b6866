"""One container step as a process of this machine.

A container has its own /tmp and its own volumes; a process has not. So every path that the template declares (of
inputs, outputs and volumes) is moved below the step's own folder, wherever it stands in command, arguments and
environment: ``/tmp/outputs/x/data`` becomes ``FOLDER/root/tmp/outputs/x/data``, ``/store`` the folder of that claim.
As in a container, no folder is made for an output: a program that does not make it fails here as it would there.
Paths that a template does not declare are those of this machine.
"""

import asyncio
import os
import re
import shutil
import signal
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.argo import scope
from pipelines.argo.engine import Results
from pipelines.argo.errors import ArgoError, StepFailed
from pipelines.argo.tree import Node
from pipelines.argo.workflow import Container, Input, Output, Template

GRACE = 10.0  # seconds from SIGTERM to SIGKILL
TOLD = 15  # lines of a failed step's output in its message


@dataclass(frozen=True, slots=True)
class Machine:
    """What stands for the cluster: the folder of programs of each image, and the folder of the volumes' claims."""

    images: Mapping[str, Path]
    volumes: Path

    def programs(self, image: str) -> Path:
        """The folder that goes first on PATH; a registry before the image's name does not count."""
        if (folder := self.images.get(image.rpartition("/")[2]) or self.images.get(image)) is None:
            known = ", ".join(self.images) or "none"
            raise ArgoError(f"no folder of programs stands for the image {image}; known: {known}. "
                            f"Say --image {image}=FOLDER")  # fmt: skip
        return folder


async def run(
    machine: Machine,
    template: Template,
    body: Container,
    folder: Path,
    values: Mapping[str, str],
    artifacts: Mapping[str, Path],
    node: Node,
) -> Results:
    """One try of a container; its output goes to ``folder/log``, the last line of it to the node."""
    places = _places(machine, template, body, folder)
    values = {**values, **_paths(template)}
    _bring(template, artifacts, places, values)
    words = [moved(scope.fill(word, values), places) for word in body.words]
    env = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    env |= {key: moved(scope.fill(value, values), places) for key, value in body.env.items()}
    env["PATH"] = f"{machine.programs(body.image)}{os.pathsep}{env.get('PATH', os.defpath)}"
    cwd = moved(body.folder, places) if body.folder else str(folder)
    status, last = await _process(words, env, cwd, folder / "log", node)
    if status:
        why = f": {last[-1]}" if last else ""
        raise StepFailed(f"{words[0]} exited {status}{why}\n" + "\n".join([*last, f"(all of it in {folder / 'log'})"]))
    return _take(template, places)


def moved(text: str, places: Mapping[str, Path]) -> str:
    """The text with every declared path, alone or the start of a longer one, replaced by its place. Longest first."""
    for path in sorted(places, key=len, reverse=True):
        text = re.sub(rf"(?<![\w./-]){re.escape(path)}(?![\w.-])", lambda _, path=path: str(places[path]), text)  # type: ignore[misc]
    return text


def _places(machine: Machine, template: Template, body: Container, folder: Path) -> dict[str, Path]:
    ports: tuple[Input | Output, ...] = (
        *template.inputs.artifacts,
        *template.outputs.parameters,
        *template.outputs.artifacts,
    )
    places = {port.path: folder / "root" / port.path.lstrip("/") for port in ports if port.path}
    for port in ports:  # what every image has: /tmp and the like
        (folder / "root" / port.path.lstrip("/").partition("/")[0]).mkdir(parents=True, exist_ok=True)
    for path, claim in body.mounts.items():
        place = machine.volumes / claim if claim else folder / "volumes" / path.strip("/")
        place.mkdir(parents=True, exist_ok=True)
        places[path.rstrip("/")] = place.resolve()
    return places


def _paths(template: Template) -> dict[str, str]:
    """The values of tags such as ``outputs.artifacts.x.path``."""
    sides: dict[str, tuple[Input | Output, ...]] = {
        "inputs.artifacts": template.inputs.artifacts,
        "outputs.parameters": template.outputs.parameters,
        "outputs.artifacts": template.outputs.artifacts,
    }
    return {f"{side}.{port.name}.path": port.path for side, ports in sides.items() for port in ports}


def _bring(
    template: Template, artifacts: Mapping[str, Path], places: Mapping[str, Path], values: Mapping[str, str]
) -> None:
    """The inputs to their places: copies, as a step may write into its own."""
    for port in template.inputs.artifacts:
        if port.name not in artifacts and port.default is None:
            if port.optional:
                continue
            raise ArgoError(f"expected the artifact {port.name}; no step has written it")
        place = places[port.path]
        place.parent.mkdir(parents=True, exist_ok=True)
        if port.name not in artifacts:
            place.write_text(scope.fill(port.default or "", values))
        elif artifacts[port.name].is_dir():
            shutil.copytree(artifacts[port.name], place)
        else:
            shutil.copyfile(artifacts[port.name], place)


def _take(template: Template, places: Mapping[str, Path]) -> Results:
    """The outputs; one newline at the end of a parameter's file is dropped, as Argo does."""
    parameters, artifacts = {}, {}
    for port in template.outputs.parameters:
        try:
            parameters[port.name] = places[port.path].read_text("utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            if port.default is None:
                raise ArgoError(f"expected the parameter {port.name} in {port.path}; found none ({error})") from None
            parameters[port.name] = port.default
    for port in template.outputs.artifacts:
        if places[port.path].exists():
            artifacts[port.name] = places[port.path]
        elif not port.optional:
            raise ArgoError(f"expected the artifact {port.name} in {port.path}; the step wrote none")
    return Results(parameters, artifacts)


async def _process(words: list[str], env: Mapping[str, str], cwd: str, log: Path, node: Node) -> tuple[int, deque[str]]:
    """The exit status and the last lines; a stop of this call stops the process and all of its group."""
    try:
        process = await asyncio.create_subprocess_exec(
            *words, env=env, cwd=cwd, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, start_new_session=True, limit=1 << 20,
        )  # fmt: skip
    except OSError as error:
        raise ArgoError(f"cannot start {words[0]}: {error.strerror}; is it a program of the image?") from None
    last: deque[str] = deque(maxlen=TOLD)
    try:
        with log.open("wb") as file:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            while line := await process.stdout.readline():
                file.write(line)
                if text := line.decode("utf-8", "replace").strip():
                    last.append(text)
                    node.message = text
        return await process.wait(), last
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Everything of the step's group, also what outlives its first process."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        deadline = asyncio.get_running_loop().time() + GRACE
        while asyncio.get_running_loop().time() < deadline:
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                return
            await asyncio.sleep(0.05)
