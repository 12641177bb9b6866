"""Stand-ins for programs that cannot run on a test machine: they write down how they were called.

``minikube`` needs a hypervisor or a privileged container, ``helm`` the charts' hosts, ``docker`` an engine.
"""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

SCRIPT = """#!{python} -S
import os, shlex, sys
command = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
if command[1:] == ["version", "--short"]:
    print("{version}")
    sys.exit()
with open("{record}", "a") as file:
    print(shlex.join(command), file=file)
sys.exit({fails!r} in command)
"""


class StandIns:
    """A folder of stand-ins, to be put first on PATH, and what they were asked to do."""

    def __init__(self, folder: Path, *names: str, version: str = "", fails: str = "") -> None:
        """``version`` is what they say of themselves; a call with the word ``fails`` exits 1."""
        self.folder = folder / "stand-ins"
        self.folder.mkdir()
        self.record = folder / "record"
        self.record.touch()
        for name in names:
            file = self.folder / name
            file.write_text(SCRIPT.format(python=sys.executable, version=version, record=self.record, fails=fails))
            file.chmod(0o755)

    def environment(self, path: str = "", more: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
        """The environment to run in: these programs, and those of ``path``."""
        return {"PATH": f"{self.folder}:{path}", "HOME": str(self.folder), **more}  # kubectl keeps a cache there

    @property
    def calls(self) -> list[str]:
        """The commands, in order."""
        return [shlex.join(shlex.split(line)) for line in self.record.read_text("utf-8").splitlines()]
