"""What is shown of a run: its nodes, as a tree with phases and times."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum


class Phase(Enum):
    """Argo's phases of a node, each with its mark."""

    PENDING = "·"
    RUNNING = "●"
    SUCCEEDED = "✓"
    FAILED = "✗"
    ERROR = "⚠"
    SKIPPED = "○"
    OMITTED = "-"

    @property
    def word(self) -> str:
        """As Argo writes it."""
        return self.name.capitalize()


OVER = {Phase.SUCCEEDED, Phase.FAILED, Phase.ERROR, Phase.SKIPPED, Phase.OMITTED}
BAD = {Phase.FAILED, Phase.ERROR}


@dataclass(slots=True)
class Node:
    """A task or the exit handler; ``template`` is what it runs, ``message`` its last word."""

    name: str
    template: str = ""
    phase: Phase = Phase.PENDING
    message: str = ""
    started: float = 0.0
    seconds: float = 0.0
    children: list["Node"] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]

    def child(self, name: str, template: str) -> "Node":
        """A new node below this one."""
        self.children.append(Node(name, template))
        return self.children[-1]

    def begin(self) -> None:
        """It runs from now on."""
        self.phase, self.started = Phase.RUNNING, time.monotonic()

    def end(self, phase: Phase, message: str = "") -> None:
        """It is over."""
        self.seconds = time.monotonic() - self.started if self.started else 0.0
        self.phase, self.message = phase, message or self.message

    def walk(self) -> Iterator["Node"]:
        """This node and all below it."""
        yield self
        for each in self.children:
            yield from each.walk()


def lines(node: Node, now: float, before: str = "", after: str = "") -> Iterator[str]:
    """The tree, a line for each node: mark, name, seconds, message."""
    took = now - node.started if node.phase is Phase.RUNNING else node.seconds
    spent = f"{took:.1f} s" if node.started else node.phase.word.lower()
    yield f"{before}{node.phase.value} {node.name}  {spent}  {node.summary}".rstrip()
    inside = sorted(node.children, key=lambda child: child.started or now)  # as they began, and what never did last
    for number, child in enumerate(inside, 1):
        last = number == len(inside)
        yield from lines(child, now, after + ("└─ " if last else "├─ "), after + ("   " if last else "│  "))
