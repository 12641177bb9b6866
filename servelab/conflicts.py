"""Which serving libraries can share an environment, for docs/environments.md.

The questions are in conflicts.toml, with the answers that the page relies on. Requirements conflict when each resolves
alone and all together do not: what uv prints then is a proof (PubGrub, Weizenbaum 2018) from what the releases declare.
"""

import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from servelab import page
from servelab.errors import ServelabError
from servelab.paths import ROOT
from servelab.resolve import Resolver, Unsolvable, name

CASES = Path(__file__).with_suffix(".toml")
PAGE = ROOT / "docs" / "environments.md"
BEGIN, END = "<!-- conflicts: made by `make conflicts` -->", "<!-- end of conflicts -->"
CELLS = {  # every outcome, as it reads in the table
    "conflicts": "**conflicts** over `{case.says}`",
    "downgrades": "resolves, **silently older**: {found}",
    "breaks": "resolves, then **breaks**: `{case.imports}` ends in `{found}`",
    "resolves": "resolves",
}


@dataclass(frozen=True, slots=True)
class Case:
    """Requirements for one environment, and the answer that the page relies on; the keys of conflicts.toml."""

    requirements: tuple[str, ...]
    expect: str
    says: str = ""
    imports: str = ""

    @property
    def named(self) -> str:
        """The requirements in Markdown."""
        return " ".join(f"`{requirement}`" for requirement in self.requirements)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a case: an outcome of CELLS, and what was found: a proof, other releases, an import's last words."""

    case: Case
    outcome: str
    found: str = ""

    @property
    def cell(self) -> str:
        """The answer in one line of Markdown."""
        works = f", and `{self.case.imports}` works" if self.outcome == "resolves" and self.case.imports else ""
        return CELLS[self.outcome].format(case=self.case, found=self.found) + works


def load(file: Path = CASES) -> tuple[Resolver, list[Case]]:
    """The resolver to ask, and the cases."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        cases = [Case(**entry | {"requirements": tuple(entry["requirements"])}) for entry in table["case"]]
        resolver = Resolver(table["python"], table.get("before", ""))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServelabError(f"{file}: expected the keys of {CASES}; found {type(error).__name__}: {error}") from None
    for case in cases:
        if case.expect not in CELLS:
            raise ServelabError(f"{file}: expect: expected one of {', '.join(CELLS)}; found {case.expect!r}")
    return resolver, cases


def ask(file: Path = CASES) -> list[Answer]:
    """Ask about every case in turn; raises ServelabError in the end when answers differ from the expected."""
    resolver, cases = load(file)
    alone: dict[str, str] = {}
    answers, wrong = [], []
    for number, case in enumerate(cases, 1):
        print(f"servelab: asking uv, {number} of {len(cases)}: {' '.join(case.requirements)}", file=sys.stderr)
        alone |= {each: resolver.alone(each) for each in case.requirements if each not in alone}
        answer = _answer(case, resolver, alone)
        if answer.outcome != case.expect or case.says not in answer.found:
            wrong.append(f"case {number}: expected {case.expect} {case.says}; found {answer.outcome}\n{answer.found}")
        answers.append(answer)
    if wrong:
        raise ServelabError("\n".join([*wrong, f"Correct {file}, and what the page says of it"]))
    return answers


def _answer(case: Case, resolver: Resolver, alone: Mapping[str, str]) -> Answer:
    try:
        got = resolver.versions(case.requirements)
    except Unsolvable as proof:
        return Answer(case, "conflicts", str(proof))
    if case.imports:
        words = resolver.last_words(case.requirements, case.imports)
        return Answer(case, "breaks" if words else "resolves", words)
    pairs = [(name(each), got[name(each)], alone[each]) for each in case.requirements]
    other = ", ".join(f"{package} {here} for {there}" for package, here, there in pairs if here != there)
    return Answer(case, "downgrades" if other else "resolves", other)


def text(answers: list[Answer]) -> str:
    """One line a case, for the terminal."""
    return "\n".join(f"{' '.join(a.case.requirements)}: {re.sub('[*`]', '', a.cell)}" for a in answers)


def markdown(answers: list[Answer], file: Path = CASES) -> str:
    """The section of the page: the table, then the proof of each conflict under its number."""
    resolver, _ = load(file)
    dated = f", among releases uploaded before {resolver.before[:10]}" if resolver.before else ""
    lines = [f"Asked of uv {version('uv')} for Python {resolver.python} on Linux{dated}.", "",
             "| # | in one environment | the answer |", "| --- | --- | --- |"]  # fmt: skip
    proofs = ["", "The resolver's own words for each conflict:"]
    for number, answer in enumerate(answers, 1):
        lines.append(f"| {number} | {answer.case.named} | {answer.cell} |")
        if answer.outcome == "conflicts":
            proofs += ["", f"**{number}.** {answer.case.named}", "", "```text", answer.found, "```"]
    return "\n".join(lines + proofs)


def write(section: str) -> None:
    """Put the section between its two marks in docs/environments.md."""
    page.put(PAGE, BEGIN, END, section)
