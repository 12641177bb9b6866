"""JupyterLab for the course: with our own kernel, on this machine alone, without news, updates or extension shop."""

import os
import sys
from pathlib import Path

from notebooks.course import learner
from notebooks.course.lesson import NOTEBOOKS, Lesson
from servelab.paths import ROOT
from servelab.start import usable_port

HOST = "127.0.0.1"
KERNEL = {
    "JUPYTER_PREFER_ENV_PATH": "1",  # this environment's python3 kernel, not one of the user's of the same name
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # a warning of the debugger's, about nothing that a lesson uses
}
OPTIONS = (
    f"--ServerApp.root_dir={ROOT}",
    f"--ServerApp.ip={HOST}",
    f"--LabApp.app_settings_dir={Path(__file__).parent / 'jupyterlab'}",  # no news, no look for updates, no question
    "--LabApp.extension_manager=readonly",
    "--LanguageServerManager.autodetect=False",  # it would ask npm
    *(["--allow-root"] if os.geteuid() == 0 else []),  # as in a container; it listens to this machine alone
)


def command(lesson: Lesson | None, options: tuple[str, ...] = ()) -> list[str]:
    """The command that opens JupyterLab, at a lesson's notebook in the learner's folder, where one is given."""
    where = _notebook(lesson) if lesson else NOTEBOOKS / "README.md"
    first = f"--LabApp.default_url=/lab/tree/{where.relative_to(ROOT)}"  # also in the address that it prints
    return [str(Path(sys.executable).parent / "jupyter-lab"), *OPTIONS, *options, first]


def _notebook(lesson: Lesson) -> Path:
    file = learner.work(lesson) / lesson.notebook.name
    if not file.exists():
        print(learner.begin(lesson), flush=True)  # what stands in our buffers goes away with us
    return file


def become(lesson: Lesson | None, port: int | None) -> int:
    """Become JupyterLab, in this process's place. Raises StartFailed when nobody can listen on the port."""
    options = () if port is None else (f"--port={usable_port(HOST, port)}", "--ServerApp.port_retries=0")
    os.chdir(ROOT)
    words = command(lesson, options)
    os.execve(words[0], words, os.environ | KERNEL)  # noqa: S606 - the program of our own environment
