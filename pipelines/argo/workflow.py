"""A workflow as values: templates, the tasks of a DAG, and what goes in and out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar


@dataclass(frozen=True, slots=True)
class Input:
    """A parameter or an artifact that a template takes. ``default`` is text; an artifact's is its raw content."""

    name: str
    path: str = ""
    default: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """What a template gives: the file at ``path``, the ``json_path`` of a resource, or the ``source`` tag of a task."""

    name: str
    path: str = ""
    json_path: str = ""
    source: str = ""
    default: str | None = None
    optional: bool = False


Port = TypeVar("Port", Input, Output)


@dataclass(frozen=True, slots=True)
class Ports(Generic[Port]):
    """The parameters and artifacts on one side of a template."""

    parameters: tuple[Port, ...] = ()
    artifacts: tuple[Port, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """One node of a DAG: a template with arguments. ``artifacts`` maps an input to the tag of its source."""

    name: str
    template: str
    dependencies: tuple[str, ...] = ()
    when: str = ""
    parameters: Mapping[str, str] | None = None
    artifacts: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Dag:
    """Tasks, run as their dependencies end."""

    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Container:
    """A program in an image. ``mounts`` maps a path inside it to the name of a volume's claim ("" = empty)."""

    image: str
    words: tuple[str, ...]
    env: Mapping[str, str]
    mounts: Mapping[str, str]
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """A verb of kubectl on a manifest, and the two conditions that say when it is done."""

    action: str
    manifest: str
    success: str = ""
    failure: str = ""
    flags: tuple[str, ...] = ()
    merge: str = "strategic"


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a step is tried again (None = without end), after what, and how long it waits in seconds."""

    limit: int | None = 0
    policy: str = "OnFailure"
    wait: float = 0.0
    factor: float = 1.0
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """Something a task runs. ``seconds`` bounds one try."""

    name: str
    body: Dag | Container | Resource
    inputs: Ports[Input]
    outputs: Ports[Output]
    retry: Retry = Retry()
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Workflow:
    """The whole: where it starts, what it runs at its end, the values of its parameters, and what a laptop ignores."""

    name: str
    namespace: str
    entrypoint: str
    on_exit: str
    parameters: Mapping[str, str | None]
    templates: Mapping[str, Template]
    seconds: float | None
    notes: tuple[str, ...]
