"""Everything below docs/ that is derived from the journals in docs/measured/ and from strategy.toml."""

import json
import math
from pathlib import Path
from typing import Any

from bench import results
from bench.report import derive, forms, pages
from bench.results import Run
from bench.table import Result
from servelab.choose.figures import FILE
from servelab.strategy import discover

MEASURED = FILE.parent
EXACT = 1e-9  # an interval comes out a last digit different on another processor: still the same number


def files(measured: Path = MEASURED) -> dict[Path, str]:
    """Every derived file, with what must be in it: run.json of each run, figures.json, and the strategies' pages."""
    runs = [Run.load(journal.parent) for journal in sorted(measured.glob("*/journal.jsonl"))]
    figures = derive.figures(runs)
    return {
        **{run.folder / "run.json": results.dumps(Result.of(run).to_dict()) + "\n" for run in runs},
        measured / FILE.name: forms.to_json(figures),
        **{_pages(measured) / f"{each.name}.md": pages.page(each, figures) for each in discover().values()},
    }


def stale(measured: Path = MEASURED) -> list[Path]:
    """The derived files that are not what the journals say: old, edited by hand, missing, or of nothing any more."""
    wanted = files(measured)
    changed = [file for file, text in wanted.items() if not _same(file, text)]
    derived = (*_pages(measured).glob("*.md"), *measured.glob("*/run.json"))
    return changed + [file for file in derived if file not in wanted]


def write(measured: Path = MEASURED) -> None:
    """Bring all of them up to date; pages of strategies and of journals that are gone go, too."""
    wanted = files(measured)
    for file in stale(measured):
        if file in wanted:
            file.parent.mkdir(parents=True, exist_ok=True)
            results.write_whole(file, wanted[file])
        else:
            file.unlink()


def _pages(measured: Path) -> Path:
    return measured.parent / "strategies"


def _same(file: Path, text: str) -> bool:
    if not file.exists():
        return False
    found = file.read_text("utf-8")
    if file.suffix != ".json" or found == text:
        return found == text
    try:
        return _close(json.loads(found), json.loads(text))
    except ValueError:
        return False


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=EXACT)
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(_close(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_close, one, other))
    return type(one) is type(other) and bool(one == other)
