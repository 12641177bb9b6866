"""Asking uv whether requirements fit together, and what it says when they do not."""

import os
import re
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from functools import partial

from servelab.environment import UV
from servelab.errors import ServelabError
from servelab.paths import ROOT, home

# Nobody is told that a library was imported.
QUIET = {"BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
MACHINE = re.compile(r"\b(?:https?|file)://\S+|(?<![\w.~])~?/(?:[\w.+@-]+/)*[\w.+@-]+")  # addresses and absolute paths
WIDTH = 100


class Unsolvable(ServelabError):
    """No choice of releases satisfies the requirements; the message is the resolver's proof, cleaned and wrapped."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """uv, for one Python on Linux whatever machine asks, blind to releases uploaded since ``before`` (RFC 3339)."""

    python: str
    before: str = ""  # all releases

    def versions(self, requirements: tuple[str, ...]) -> dict[str, str]:
        """The release of every package that they need; raises Unsolvable, or ServelabError when uv cannot tell."""
        # The target is given apart from the interpreter, so that the toolkit on 3.12 gets the same answer.
        out = self._uv("pip", "compile", "--no-header", "--no-annotate", "--python-version", self.python,
                       "--python-platform", "linux", "--python", sys.executable, *self._dated(), "-",
                       requirements=requirements)  # fmt: skip
        return dict(re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)", out, re.MULTILINE))

    def alone(self, requirement: str) -> str:
        """The release that a requirement gets when nothing else is asked for."""
        try:
            return self.versions((requirement,))[name(requirement)]
        except Unsolvable as why:
            raise ServelabError(
                f"expected that {requirement} resolves alone; uv says:\n{why}\nCheck that the package index (named by "
                f"UV_DEFAULT_INDEX or uv.toml) has it, for Python {self.python}, with an upload date"
                + (f" before {self.before}" if self.before else "")
            ) from None

    def last_words(self, requirements: tuple[str, ...], statement: str) -> str:
        """What an import says last, in an environment built for it by this Python; "" when it works."""
        home().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="conflicts-", dir=home()) as folder:
            python = f"{folder}/env/bin/python"
            self._uv("venv", "--no-project", "--python", sys.executable, f"{folder}/env")
            self._uv("pip", "install", "--python", python, *self._dated(), "--requirements", "-",
                     requirements=requirements)  # fmt: skip
            # Isolated, and at home in that folder: nothing of the user's is read or left behind.
            done = subprocess.run([python, "-I", "-c", statement], capture_output=True, text=True, check=False,
                                  cwd=folder, env=os.environ | QUIET | {"HOME": folder})  # fmt: skip
        if not done.returncode:
            return ""
        return clean((done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1])

    def _dated(self) -> tuple[str, ...]:
        return ("--exclude-newer", self.before) if self.before else ()

    def _uv(self, *arguments: str, requirements: tuple[str, ...] = ()) -> str:
        # From the repository's root, so that no other project's settings have a say.
        done = subprocess.run([UV, "--quiet", "--color", "never", "--no-python-downloads", *arguments], cwd=ROOT,
                              input="\n".join(requirements), capture_output=True, text=True, check=False)  # fmt: skip
        if not done.returncode:
            return done.stdout
        if "No solution found" in done.stderr:
            raise Unsolvable(proof(done.stderr))
        raise ServelabError(
            f"expected an answer from uv; it exited {done.returncode} on {' '.join(requirements or arguments)}:\n"
            f"{done.stderr.strip()}\nCheck the network, and the package index that UV_DEFAULT_INDEX or uv.toml names"
        )


def name(requirement: str) -> str:
    """The package that a requirement (PEP 508) is about, as uv writes it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def proof(said: str) -> str:
    """The proof within what uv prints: no heading, no hints, no trace of this machine, at most 100 characters wide."""
    body = said[max(said.find("Because "), 0) :].partition("\n\nhint:")[0].strip()
    first, _, rest = body.partition("\n")
    wrap = partial(textwrap.wrap, width=WIDTH, break_long_words=False, break_on_hyphens=False)
    lines = [first, *textwrap.dedent(rest).splitlines()]
    indents = [" " * (len(line) - len(line.lstrip())) for line in lines]
    return "\n".join(
        "\n".join(wrap(clean(line.strip()), initial_indent=indent, subsequent_indent=f"{indent}  "))
        for line, indent in zip(lines, indents, strict=True)
    )


def clean(text: str) -> str:
    """Text without this machine's paths and without addresses."""
    return MACHINE.sub("...", text)
