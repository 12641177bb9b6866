"""The strategies as a table, for the terminal and for docs/strategies.md, always from the folders."""

from servelab import page
from servelab.paths import ROOT
from servelab.strategy import Strategy, discover

PAGE = ROOT / "docs" / "strategies.md"
BEGIN, END = "<!-- strategies: made by `make docs` -->", "<!-- end of strategies -->"


def text() -> str:
    """One line a strategy: name, title, models, port."""
    rows = [(s.name, s.title, ", ".join(s.models), str(s.port), s.summary) for s in discover().values()]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[4]]) for row in rows
    )


def markdown() -> str:
    """The table of the docs."""
    head = ("strategy", "family", "models", "routes", "port", "capabilities", "licence", "best for")
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join(lines + [f"| {' | '.join(_cells(s))} |" for s in discover().values()])


def write() -> None:
    """Put the table between its two marks in docs/strategies.md."""
    page.put(PAGE, BEGIN, END, markdown())


def _cells(strategy: Strategy) -> tuple[str, ...]:
    routes = [strategy.protocol, *(f"{route.protocol} `{route.route}`" for route in strategy.also)]
    page = PAGE.with_suffix("") / f"{strategy.name}.md"  # derived; a new strategy has none yet
    link = f"strategies/{page.name}" if page.exists() else f"../strategies/{strategy.name}/README.md"
    title = f"[{strategy.title}]({link})"
    status = "" if strategy.status == "active" else f" ({strategy.status})"
    return (title + status, strategy.family, ", ".join(strategy.models), ", ".join(routes), str(strategy.port),
            ", ".join(strategy.capabilities) or "-", strategy.licence, strategy.summary)  # fmt: skip
