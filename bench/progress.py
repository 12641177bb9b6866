"""How far a run is, on stderr: a bar at a terminal, one line per phase elsewhere. Stdout belongs to the result."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress as Bar, TextColumn, TimeElapsedColumn


class Progress:
    """Told by the runner: `start(steps)` once, then `phase(text)` and `advance()` as work goes on."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._live = self._console.is_terminal
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._bar = Bar(*columns, console=self._console, transient=True, disable=not self._live)
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def start(self, steps: int) -> None:
        self._bar.update(self._task, total=steps)

    def phase(self, text: str) -> None:
        self._bar.update(self._task, description=text)
        if not self._live:
            self._console.print(text, markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, markup=False, soft_wrap=True)

    def advance(self, steps: int = 1) -> None:
        self._bar.advance(self._task, steps)
