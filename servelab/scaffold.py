"""A new strategy starts as a working copy of another: it conforms from its first minute, then you change it."""

import re
import shutil

from servelab import catalogue, strategy as strategies
from servelab.errors import ServelabError
from servelab.paths import ROOT, STRATEGIES

FIRST_PORT = 8001
MEASURED = "## Beside the plain program\n"


def create(name: str, like: str) -> str:
    """Make ``strategies/<name>`` from ``strategies/<like>`` and list it in the docs; returns what to do next."""
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise ServelabError(f"expected a name of lower-case letters, digits and hyphens, such as x; found {name!r}")
    if name == "images":
        raise ServelabError("make test-images is taken; choose another NAME")
    folder = STRATEGIES / name
    if folder.exists():
        raise ServelabError(f"{folder} is there already; choose another NAME, or delete the folder first")
    model = strategies.load(like)
    like, port = model.name, _free_port()
    shutil.copytree(model.folder, folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for file in (path for path in folder.rglob("*") if path.is_file() and path.name != model.requirements.name):
        file.write_text(_renamed(file.read_text("utf-8"), model, name, port), "utf-8")
    catalogue.write()
    return (
        f"made {folder.relative_to(ROOT)}, a working copy of {like} on port {port}, and its row in docs/strategies.md\n"
        f"  try it now      make serve-{name}\n"
        f"  make it yours   strategies/{name}/server.py, requirements.in, strategy.toml, README.md; then make docs\n"
        f"  lock            make lock-{name}\n"
        f"  check it        make test-{name}\n"
        f"  compare it      make bench STRATEGIES='{like} {name}'"
    )


def _renamed(text: str, model: strategies.Strategy, name: str, port: int) -> str:
    """The text with the copied strategy's name in paths, targets and keys, its title and its port made new."""
    text = text.replace(f'title = "{model.title}"', f'title = "{name}"').replace(str(model.port), str(port))
    old = re.escape(model.name)
    text = re.sub(rf"\b(strategies/|(?:serve|test|image|lock)-|servelab-|server=){old}\b", rf"\g<1>{name}", text)
    text = re.sub(rf'((?:^name = |serve\()"){old}"', rf'\g<1>{name}"', text, flags=re.MULTILINE)
    # Of the README: its title, and without the figures, which were measured of another server.
    text = text.replace(f"# {model.title}\n", f"# {name}\n", 1)
    return re.sub(rf"{MEASURED}.*?(?=^## )", "", text, flags=re.DOTALL | re.MULTILINE)


def _free_port() -> int:
    taken = {strategy.port for strategy in strategies.discover().values()}
    return next(port for port in range(FIRST_PORT, 65535) if port not in taken)
