"""Small lessons made on the spot, which keep every rule of the course, to be broken by tests one rule at a time."""

from pathlib import Path

from notebooks.course.lesson import Lesson, load

FACTS = """
title = "Tiny"
idea = "a page is run from top to bottom"
minutes = 1
tier = 0
limit = 30
ran = 1
seeds = ["000"]
[exercise]
task = "add two numbers"
"""

PAGE = """
# %% [markdown]
# # 42 · Tiny
#
# ## Why
# To see. ([more](../../docs/measuring.md))
#
# ## Do

# %%
from notebooks.course import page

page.begin()  # the repository's root is the working folder; plots are drawn as SVG

# %%
print("one", 1 + 1, "three")
# HOOK

# %% [markdown]
# ## You should see
# ```text output
# one 2 ... three
# ```
# ## What happened
# It printed.
#
# ## Break it

# %% tags=["raises-exception"]
[][1]

# %% [markdown]
# ```text output
# IndexError: list index
# ```
# ## Exercise
# ## When to use and when not
# ## Then and now
# ## Clean up
"""

SOLVED = '''"""Two numbers."""


def add(one: int, other: int) -> int:
    """Their sum."""
    # starter: raise NotImplementedError("add them")
    return one + other  # solution
'''

CHECK = '''"""Does it add?"""

from collections.abc import Iterator

from notebooks.course.check import Failure, Work


def check_adds(work: Work) -> Iterator[Failure]:
    """Two numbers are added."""
    add = work.module("sums").add
    for one, other in ((1, 2), (3, 4)):
        if (found := add(one, other)) != one + other:
            yield Failure(f"expected add({one}, {other}) = {one + other}; found {found}", "the return of sums.py")


def check_zero(work: Work) -> Iterator[Failure]:
    """Nothing is added to zero."""
    if (found := work.module("sums").add(5, 0)) != 5:
        yield Failure(f"expected 5; found {found}", "the return of sums.py")
'''

HINTS = """# Hints

## 1 Python has an operator

Look for a cross.

## 2 Nearly there

`one + other`
"""


def make(parent: Path, facts: str = FACTS, page: str = PAGE, hook: str = "", name: str = "42-tiny") -> Path:
    """A lesson's folder below ``parent``; ``hook`` is put into its second code cell."""
    folder = parent / name
    (folder / "exercise").mkdir(parents=True)
    texts = {"lesson.toml": facts, "lesson.py": page.replace("# HOOK", hook), "check.py": CHECK, "hints.md": HINTS,
             "exercise/sums.py": SOLVED}  # fmt: skip
    for file, text in texts.items():
        (folder / file).write_text(text.lstrip(), "utf-8")
    return folder


def lesson(parent: Path, facts: str = FACTS, page: str = PAGE, hook: str = "") -> Lesson:
    """The lesson of ``make``."""
    return load(make(parent, facts, page, hook))
