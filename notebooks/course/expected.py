"""What a page promises to print, in a fence ``text output``, against what its code printed."""

import re

FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""A fenced block of Markdown: its info line, its text."""


def outputs(markdown: str) -> list[str]:
    """The texts of the ``text output`` fences in a piece of Markdown, in order."""
    return [text for info, text in FENCE.findall(markdown) if is_output(info)]


def is_output(info: str) -> bool:
    """Whether a fence with this info line states what was printed."""
    return info.split() == ["text", "output"]


def missing(expected: str, printed: str) -> str | None:
    """The first line of ``expected`` that does not occur in ``printed`` after the ones before it; None when all do."""
    rest = printed
    for line in pieces(expected):
        _, found, rest = rest.partition(line)
        if not found:
            return line
    return None


def pieces(expected: str) -> list[str]:
    """What is looked for, in order: the lines, each split at ``...``, which stands for anything."""
    return list(filter(None, map(str.strip, re.split(r"\n|\.\.\.", expected))))
