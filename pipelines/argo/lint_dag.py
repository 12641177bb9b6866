"""The rules of ``lint`` for the tasks of one DAG template."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipelines.argo import scope, when
from pipelines.argo.errors import ArgoError


def check(
    where: str, template: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], resolves: Callable[[str], bool]
) -> Iterator[str]:
    """What is wrong with the tasks; ``resolves`` says whether a tag that names no task has a value here."""
    tasks = template["dag"].get("tasks") or []
    by_name = {task.get("name", ""): task for task in tasks}
    for name, count in Counter(task.get("name", "") for task in tasks).items():
        if count > 1:
            yield f"{where}.tasks: name {name!r} is not unique"
    if any("depends" in task for task in tasks) and any("dependencies" in task for task in tasks):
        yield f"{where}: cannot use both 'depends' and 'dependencies' in the same DAG template"
    if any("depends" in task for task in tasks):
        return  # another language, which only names what it waits for; support refuses it
    ghosts = False
    for name, task in by_name.items():
        for ghost in sorted({*task.get("dependencies", [])} - {*by_name}):
            ghosts = True
            yield f"{where}.tasks.{name}: dependency {ghost!r} not defined"
    if not ghosts and (cycle := _cycle(by_name)):
        yield f"{where}.tasks: dependency cycle detected: {' -> '.join(cycle)}"
    elif not ghosts:
        for name, task in by_name.items():
            yield from _task(f"{where}.tasks.{name}", task, by_name, known, resolves)


def _task(
    where: str,
    task: Mapping[str, Any],
    tasks: Mapping[str, Mapping[str, Any]],
    known: Mapping[str, Mapping[str, Any]],
    resolves: Callable[[str], bool],
) -> Iterator[str]:
    template = known.get(task.get("template", ""))
    if template is None:
        yield f"{where}: template name {task.get('template')!r} undefined"
        return
    before = _ancestors(task["name"], tasks)
    arguments = task.get("arguments") or {}
    yield from _condition(where, task.get("when", ""))
    for tag in dict.fromkeys(scope.tags(task.get("when", ""))):
        yield from _tag(f"{where}.when", tag, tasks, before, known, resolves)
    for kind in ("parameters", "artifacts"):
        given = {each["name"]: each for each in arguments.get(kind) or []}
        for port in (template.get("inputs") or {}).get(kind) or []:
            if port["name"] not in given and not {"value", "default", "raw", "optional"} & set(port):
                yield f"{where}: {task['template']}.inputs.{kind}.{port['name']} was not supplied"
        for name, value in given.items():
            for tag in dict.fromkeys(scope.tags(value)):
                yield from _tag(f"{where}.arguments.{name}", tag, tasks, before, known, resolves)


def _tag(
    where: str,
    tag: str,
    tasks: Mapping[str, Mapping[str, Any]],
    before: set[str],
    known: Mapping[str, Mapping[str, Any]],
    resolves: Callable[[str], bool],
) -> Iterator[str]:
    parts = tag.split(".")
    if parts[0] != "tasks" or len(parts) < 3:
        if not resolves(tag):
            yield f"{where}: failed to resolve {{{{{tag}}}}}"
        return
    if parts[1] in tasks and parts[1] not in before:
        yield f"{where}: missing dependency {parts[1]!r} for {{{{{tag}}}}}"
    elif parts[1] not in tasks or not _gives(known.get(tasks[parts[1]].get("template", ""), {}), parts[2:]):
        yield f"{where}: failed to resolve {{{{{tag}}}}}"


def _condition(where: str, expression: str) -> Iterator[str]:
    """A finding when the ``when`` does not parse, whatever its tags will hold."""
    try:
        if expression.strip():
            when.parse(scope.TAG.sub("placeholder", expression))
    except ArgoError as error:
        yield f"{where}.{error}"


def _gives(template: Mapping[str, Any], parts: list[str]) -> bool:
    """Whether a task of this template has ``outputs.parameters.x``, ``outputs.artifacts.x``, ``status`` ..."""
    if parts[0] != "outputs":
        return parts[0] in {"id", "status", "ip", "startedAt", "finishedAt", "name"} and len(parts) == 1
    if len(parts) == 2:
        return parts[1] in {"result", "exitCode", "parameters"}
    ports = (template.get("outputs") or {}).get(parts[1]) or []
    return ".".join(parts[2:]) in {port["name"] for port in ports}


def _ancestors(name: str, tasks: Mapping[str, Mapping[str, Any]]) -> set[str]:
    found: set[str] = set()
    rest = [*tasks[name].get("dependencies", [])]
    while rest:
        each = rest.pop()
        if each not in found:
            found.add(each)
            rest += tasks[each].get("dependencies", [])
    return found


def _cycle(tasks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The names along one cycle of dependencies, its first name again at the end; empty when there is none."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for each in tasks[name].get("dependencies", []):
            if found := walk(each, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in tasks if (found := walk(name, []))), [])
