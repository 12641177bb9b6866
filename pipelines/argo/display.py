"""The tree of a run on a terminal, drawn anew as it goes; elsewhere a line for each change."""

import asyncio
import shutil
import sys
import time

from pipelines.argo.tree import BAD, OVER, Node, Phase, lines

EVERY = 0.2  # seconds between two drawings


class Display:
    """Shows one tree until it is cancelled, and then once more as it is."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.drawn = 0
        self.told: dict[int, Phase] = {}

    async def follow(self) -> None:
        """Draws until it is cancelled."""
        show = self._draw if sys.stdout.isatty() else self._tell
        try:
            while True:
                show()
                await asyncio.sleep(EVERY)
        finally:
            show()
            if not sys.stdout.isatty():
                print(*lines(self.root, time.monotonic()), sep="\n")
            self._explain()

    def _draw(self) -> None:
        """The whole tree over the one before, a line of the terminal for each node."""
        width = shutil.get_terminal_size().columns - 1
        text = [line[:width] for line in lines(self.root, time.monotonic())]
        up = f"\x1b[{self.drawn}A" if self.drawn else ""
        sys.stdout.write(up + "".join(f"\x1b[2K{line}\n" for line in text))
        sys.stdout.flush()
        self.drawn = len(text)

    def _explain(self) -> None:
        """What a line has no room for."""
        for node in self.root.walk():
            if node.phase in BAD and "\n" in node.message:
                print(f"{node.name}:", *node.message.splitlines()[1:], sep="\n  ")
        sys.stdout.flush()

    def _tell(self) -> None:
        for node in self.root.walk():
            if self.told.get(id(node)) is not node.phase and node.phase is not Phase.PENDING:
                self.told[id(node)] = node.phase
                if node.phase is Phase.RUNNING or node.phase in OVER:
                    took = f" in {node.seconds:.1f} s" if node.seconds else ""
                    said = f": {node.summary}" if node.phase in OVER and node.message else ""
                    print(f"{node.phase.value} {node.name} {node.phase.word}{took}{said}", flush=True)
