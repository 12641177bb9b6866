"""Docs are tests: every path, link, target and command in them exists, and blocks marked ``run`` run.

A fence ``bash run`` or ``python run`` is executed from the repository's root; the lines of a ``text output`` fence
right after it must appear in this order in what it printed, with ``...`` standing for anything.
``server=flask model=iris port=8001`` starts that server first and puts its address in place of 127.0.0.1:8001.
"""

import contextlib
import itertools
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import servelab
from notebooks.course import expected
from notebooks.course.expected import FENCE
from servelab.paths import ROOT

PAGES = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "strategies/*/*.md", "notebooks/*.md", "notebooks/[0-9]*/*.md",
                         "notebooks/[0-9]*/*.ipynb", "k8s/*.md", "pipelines/*.md", "bench/*.md",
                         "shared_models/**/*.md") for path in ROOT.glob(pattern))  # fmt: skip
ROOMS = ("notebooks", "strategies", "shared_models", "bench", "k8s", "pipelines", "docs", "servelab", "tests")
SECONDS = 120


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    info: tuple[str, ...]
    text: str
    output: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def option(self, key: str, default: str = "") -> str:
        return next((word.partition("=")[2] for word in self.info if word.startswith(f"{key}=")), default)


def read(page: Path) -> str:
    """The Markdown of a page; of a notebook, that between its code."""
    text = page.read_text("utf-8")
    if page.suffix != ".ipynb":
        return text
    return "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")


def blocks(page: Path) -> Iterator[Block]:
    text = read(page)
    found = list(FENCE.finditer(text))
    for here, after in itertools.zip_longest(found, found[1:]):
        follows = after and expected.is_output(after[1]) and not text[here.end() : after.start()].strip()
        line = text.count("\n", 0, here.start()) + 1
        yield Block(page, line, tuple(here[1].split()), here[2], after[2] if follows and after else "")


def code(page: Path) -> str:
    """What a page writes as code, without what it says that was printed."""
    fenced = [block.text for block in blocks(page) if not expected.is_output(" ".join(block.info))]
    return "\n".join(re.findall(r"`([^`\n]+)`", read(page)) + fenced)


RUN = [block for page in PAGES for block in blocks(page) if "run" in block.info]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    prose = FENCE.sub("", read(page))
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", prose)
               if not re.match(r"[a-z]+:", target)]  # fmt: skip
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_paths_exist(page: Path) -> None:
    """A word in code that begins with a room's name and a slash is a path, unless it holds a placeholder.

    What learners make for themselves, notebooks/work and strategies/mine, is there once they have.
    """
    words = re.findall(rf"(?<![\w./:-])(?:{'|'.join(ROOMS)})/[\w./<>*%$-]*", code(page))
    paths = [
        word.rstrip(".") for word in words if not re.search(r"[<>*%$]|NAME|^(notebooks/work|strategies/mine)\b", word)
    ]
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    known = set(re.findall(r"^([\w.%-]+)(?: [\w.%-]+)*:", makefile, re.MULTILINE))
    patterns = [re.compile(target.replace("%", ".*")) for target in known if "%" in target]
    asked = re.findall(r"(?:^|[`\s;&(])make ([a-z][\w-]*)", code(page), re.MULTILINE)
    found = [target for target in asked if target in known or any(p.fullmatch(target) for p in patterns)]
    assert asked == found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_exist(page: Path) -> None:
    asked = set(re.findall(r"(?:\.venv/bin/)(servelab|bench) ([a-z-]+)", code(page)))
    for command, verb in asked:
        done = subprocess.run([ROOT / ".venv/bin" / command, verb, "--help"], capture_output=True, check=False)
        assert done.returncode == 0, f"{command} {verb} in {page} is not a command"


def test_some_blocks_run() -> None:
    assert len(RUN) >= 5


@pytest.mark.parametrize("block", RUN, ids=str)
def test_blocks_marked_run_do_run(block: Block) -> None:
    for needed in {"bash", "curl"} & {block.info[0], *block.text.split()}:
        if shutil.which(needed) is None:
            pytest.skip(f"{needed} is not installed")
    with contextlib.ExitStack() as stack:
        text = block.text
        if block.option("server"):
            server = stack.enter_context(servelab.serve(block.option("server"), model=block.option("model", "iris")))
            text = text.replace(f"127.0.0.1:{block.option('port')}", f"{server.host}:{server.port}")
        program = ["bash", "-e"] if block.info[0] == "bash" else [sys.executable, "-"]
        done = subprocess.run(
            program, input=text, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, f"{block} ({shlex.join(program)}) exited {done.returncode}:\n{printed}"
    line = expected.missing(block.output, printed)
    assert line is None, f"{block}: expected {line!r} in\n{printed}"
