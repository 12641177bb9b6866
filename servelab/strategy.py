"""A strategy is a folder: strategy.toml says who serves, with which command, and how one talks to it."""

import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from servelab import protocols
from servelab.contract import nearest, read
from servelab.errors import StrategyError
from servelab.paths import STRATEGIES

Family = Literal["web framework", "serving library", "graph", "batch", "edge", "cloud contract", "pipeline"]
Capability = Literal["batching", "grpc", "metrics", "openapi", "image upload", "multi-model", "versions"]
PLACEHOLDERS = frozenset(
    {"address", "host", "port", "model", "version", "pinned", "workers", "state", "scratch", "toolkit"}
)
REQUIRED_FILES = ("strategy.toml", "server.py", "quickstart.py", "requirements.in", "requirements.txt", "Dockerfile",
                  "README.md")  # fmt: skip
# What the toolkit runs, out of parts that are strategies themselves.
REQUIRED_OF_COMPOSED = ("strategy.toml", "README.md")
FORBIDDEN_PORT = 5000  # macOS answers it with AirPlay


@dataclass(frozen=True, slots=True)
class Route:
    """Another route of the server: the dialect it speaks, its path, and the models that it makes sense for."""

    protocol: protocols.Name
    route: str
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deviation:
    """A behaviour of the library that fails a conformance check by design; conformance prints it by name."""

    check: str
    why: str


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way of serving, as its strategy.toml states it (the file is the field list below, one key each)."""

    folder: Path
    name: str
    title: str
    summary: str
    models: tuple[str, ...]
    command: tuple[str, ...]
    port: int
    health: str
    licence: str
    family: Family
    # The other dialects answer labels, one row at a time: no parity by these.
    protocol: Literal["v1", "v2", "v2-binary", "invocations", "seldon"]
    python: tuple[Literal["3.11", "3.12"], ...]
    status: Literal["active", "legacy", "archived"]
    tier: Literal[0, 1, 2]
    # Of an A/B test: an answer is right when it is that of any one of these versions.
    versions: tuple[str, ...] = ()
    lesson: str = ""
    stop: Literal["main", "group"] = "main"
    quickstart: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    docs: str = ""
    metrics: str = ""
    capabilities: tuple[Capability, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    also: tuple[Route, ...] = ()
    deviations: tuple[Deviation, ...] = ()

    @property
    def requirements(self) -> Path:
        """The lock file, every package with its hashes; without one, the strategy runs in the toolkit's."""
        return self.folder / "requirements.txt"

    @property
    def required_files(self) -> tuple[str, ...]:
        """The files that its folder must have."""
        return REQUIRED_OF_COMPOSED if self.family in ("graph", "pipeline") else REQUIRED_FILES

    def routes(self, protocol: str, model: str) -> tuple[Route, ...]:
        """The routes that speak this dialect for this model."""
        return tuple(r for r in self.also if r.protocol == protocol and model in r.models)

    def filled(self, command: tuple[str, ...], values: Mapping[str, str | int]) -> list[str]:
        """A command with its {placeholders} filled."""
        return [word.format_map(values) for word in command]


def load(name: str | Path) -> Strategy:
    """The strategy of that name, or of that folder; ``name:quickstart`` is its plain program in the same environment.

    Raises StrategyError when there is none, or when its strategy.toml breaks the contract.
    """
    text, _, variant = str(name).partition(":")
    folder = Path(text).resolve() if isinstance(name, Path) or "/" in text else STRATEGIES / text
    if not (folder / "strategy.toml").is_file():
        known = names()
        raise StrategyError(
            f"no strategy {text!r}{nearest(text, known)}: expected {folder / 'strategy.toml'}; "
            f"the strategies are: {', '.join(known)}. Make a new one with: make new-strategy NAME={folder.name}"
        )
    strategy = _parse(folder)
    if not variant:
        return strategy
    if variant != "quickstart" or not strategy.quickstart:
        raise StrategyError(f"{name}: the only variant is ':quickstart', where strategy.toml has a quickstart command")
    return replace(
        strategy, name=f"{strategy.name}:{variant}", title=f"{strategy.title}, plain", command=strategy.quickstart
    )


def names() -> tuple[str, ...]:
    """The folder names below strategies/ that hold a strategy.toml, sorted."""
    return tuple(sorted(path.parent.name for path in STRATEGIES.glob("*/strategy.toml")))


def discover() -> dict[str, Strategy]:
    """Every strategy by its name. Adding a strategy = adding a folder."""
    return {name: load(name) for name in names()}


def _parse(folder: Path) -> Strategy:
    file = folder / "strategy.toml"
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StrategyError(f"{file}: expected a TOML file; {error}") from None
    strategy = read(Strategy, table, file, folder=folder)
    if strategy.name != folder.name:
        raise StrategyError(f"{file}: name = {strategy.name!r} must be the folder's name, {folder.name!r}")
    if not 1024 <= strategy.port <= 65535 or strategy.port == FORBIDDEN_PORT:
        raise StrategyError(f"{file}: port = {strategy.port} must be 1024 to 65535 and not {FORBIDDEN_PORT}")
    if not strategy.command:
        raise StrategyError(f"{file}: command is empty; give the program and its arguments as a list")
    if len(strategy.versions) == 1:
        raise StrategyError(
            f"{file}: versions = {list(strategy.versions)} must be two or more, those that its answers are drawn from; "
            "leave it out for a strategy of one version"
        )
    for key, words in {"command": strategy.command, "quickstart": strategy.quickstart, "prepare": strategy.prepare,
                       "env": tuple(strategy.env.values())}.items():  # fmt: skip
        _check_placeholders(file, key, words)
    return strategy


def _check_placeholders(file: Path, key: str, words: tuple[str, ...]) -> None:
    for word in words:
        try:
            used = {name for _, name, _, _ in string.Formatter().parse(word) if name is not None}
        except ValueError as error:
            raise StrategyError(f"{file}: {key}: {word!r}: {error}; write {{{{ and }}}} for plain braces") from None
        if unknown := used - PLACEHOLDERS:
            raise StrategyError(
                f"{file}: {key}: unknown placeholder {{{unknown.pop()}}} in {word!r}; "
                f"allowed: {', '.join('{' + p + '}' for p in sorted(PLACEHOLDERS))}"
            )
