"""What kfp.local prints of a run: all of it into a log file, and on the terminal a line for each task.

kfp.local has no interface for this, so its lines are read: "Executing task 'NAME'", what that task says, and "Task
'NAME' finished with status STATUS". A task's own message is its last line that is not of KFP's executor.
"""

import io
import re
import time
from typing import TextIO

ANSI = re.compile(r"\x1b\[\d+m")
BEGINS = re.compile(r" - INFO - Executing task '(.+)'$")
ENDS = re.compile(r"Task '(.+)' finished with status (\w+)")
EXECUTOR = "[KFP Executor"
INPUT = re.compile(r"    [{}]")  # the first and the last line of the JSON that the executor shows of a task's input
WORDS = {"SUCCESS": ("✓", "Succeeded"), "FAILURE": ("✗", "Failed")}


class Telling(io.TextIOBase):
    """A stream to print to. ``said``: the last message of each task; ``failed``: the tasks that ended so, in order."""

    def __init__(self, log: TextIO, terminal: TextIO) -> None:
        self.log, self.terminal = log, terminal
        self.said: dict[str, str] = {}
        self.failed: list[str] = []
        self._part, self._task, self._began, self._in_json = "", "", 0.0, False

    def write(self, text: str) -> int:
        """Whole lines are told; the rest waits for its end."""
        *lines, self._part = (self._part + text).split("\n")
        for line in lines:
            plain = ANSI.sub("", line)
            self.log.write(plain + "\n")
            self._read(plain)
        self.log.flush()
        return len(text)

    def end_line(self) -> None:
        """What others print next starts a line of its own."""
        if self._task and self.terminal.isatty():
            print(file=self.terminal)

    def _read(self, line: str) -> None:
        if begins := BEGINS.search(line):
            self._task, self._began = begins[1], time.monotonic()
            self.said[self._task] = ""
            self._show(f"● {self._task}", end="")
        elif (ends := ENDS.search(line)) and ends[1] == self._task:
            self._end(*WORDS.get(ends[2], ("⚠", ends[2])))
        elif INPUT.fullmatch(line):
            self._in_json = line.endswith("{")
        elif self._task and not self._in_json and line.strip() and not line.strip().startswith(EXECUTOR):
            self.said[self._task] = line.strip()

    def _end(self, mark: str, word: str) -> None:
        task, self._task = self._task, ""
        self.failed = [name for name in self.failed if name != task]  # another try of it may have come to a better end
        if mark != "✓":
            self.failed.append(task)
        took = time.monotonic() - self._began
        self._show(f"{mark} {task} {word} in {took:.1f} s" + (f": {self.said[task]}" if self.said[task] else ""))

    def _show(self, text: str, end: str = "\n") -> None:
        """On a terminal the line of a task that runs is written over by that of its end; a file has that alone."""
        if self.terminal.isatty():
            self.terminal.write(f"\r\x1b[2K{text}{end}")
        elif end:
            self.terminal.write(text + end)
        self.terminal.flush()
