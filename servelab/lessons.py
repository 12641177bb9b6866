"""Which lessons of the course this machine can run: each says in its lesson.toml what it needs."""

import re
import shutil
import tomllib
from pathlib import Path

from servelab import environment
from servelab.errors import ServelabError
from servelab.finding import Finding
from servelab.paths import ROOT

LESSONS = ROOT / "notebooks"
WITH_ENGINE, WITH_CLUSTER = 1, 2  # tiers: what a part of the lesson needs besides Python
PROGRAMS = {"curl": r"(?m)^# !?curl -", "bash": r'(?m)^# %% language="bash"'}  # as a page calls them, in its lesson.py


def examine(engine: bool, cluster: bool) -> list[Finding]:
    """A finding for each lesson, in order; ``engine`` and ``cluster`` say whether one answers."""
    return [_lesson(file, engine, cluster) for file in sorted(LESSONS.glob("[0-9][0-9]-*/lesson.toml"))]


def _lesson(file: Path, engine: bool, cluster: bool) -> Finding:
    number = file.parent.name[:2]
    try:
        facts = tomllib.loads(file.read_text("utf-8"))
        what, tier = f"lesson {number} {facts['title']}", facts["tier"]
        absent = [name for name in facts.get("strategies", ()) if not environment.named(name).ready()]
        page = file.with_name("lesson.py").read_text("utf-8")
    except KeyError as error:  # a broken lesson must not hide the others
        return Finding(f"lesson {number}", False, "broken", f"{file}: expected the key {error}; found none")
    except (OSError, ValueError, TypeError, AttributeError, ServelabError) as error:
        return Finding(f"lesson {number}", False, "broken", f"{file}: {error}")
    if needs := [name for name, call in PROGRAMS.items() if not shutil.which(name) and re.search(call, page)]:
        remedy = "install it with the system's package manager"
        return Finding(what, False, f"needs {' and '.join(needs)}", remedy, optional=True)
    found = [f"installs first, from the network: {', '.join(absent)}" if absent else "ready"]
    if tier == WITH_ENGINE and not engine:
        found.append("all but its part in a container")
    if tier == WITH_CLUSTER and not cluster:
        found.append("all but its part on a cluster")
    return Finding(what, True, "; ".join(found), optional=True)
