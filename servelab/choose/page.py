"""The parts of docs/choosing.md that are made from the questions, the figures and the cards."""

import re
from collections.abc import Iterable

from servelab import page
from servelab.choose import figures, show
from servelab.choose.advice import Advice, advise
from servelab.choose.cards import CARDS, Card
from servelab.choose.figures import Figures
from servelab.choose.questions import NEEDS, QUESTIONS
from servelab.choose.words import number
from servelab.paths import ROOT
from servelab.strategy import discover

PAGE = ROOT / "docs" / "choosing.md"


def parts() -> dict[tuple[str, str], str]:
    """The marks around each part, and what stands between them."""
    known = figures.load()
    return {
        ("<!-- questions: made by `make docs` -->", "<!-- end of questions -->"): _questions(),
        ("<!-- figures: made by `make docs` -->", "<!-- end of figures -->"): "\n".join(_figures(known)),
        ("<!-- cards: made by `make docs` -->", "<!-- end of cards -->"): "\n".join(_cards(known)),
    }


def write() -> None:
    """Put every part into its place."""
    for (begin, end), text in parts().items():
        page.put(PAGE, begin, end, text)


def _questions() -> str:
    rows = [
        # What the needs mean has a table of its own.
        f"| `{q.name}` | {q.words if q.name == 'need' else q.explained} | {_typed(q.expected)} | {q.default} |"
        for q in QUESTIONS
    ]
    needs = [f"| `{name}` | {words} |" for name, words in NEEDS.items()]
    return "\n".join(["| option | question | answers | default |", "| --- | --- | --- | --- |", *rows, "",
                      "| a need | means |", "| --- | --- |", *needs])  # fmt: skip


def _typed(text: str) -> str:
    """What one types, as code: its quotes would become curly ones."""
    return re.sub(r"'(\w+)'", r"`\1`", text)


def _figures(known: Figures) -> Iterable[str]:
    for run in known.runs:
        machine = run.machine
        folder = run.folder.removeprefix("docs/")
        yield (
            f"**{run.model}**, {run.scenario}, {run.boots} boots of each, on {machine.cpu} with {machine.cores} cores "
            f"([{run.folder}]({folder}/run.json)):"
        )
        yield ""
        yield "| strategy | CPU µs | p50 ms | p99 ms | capacity/s | processes | RSS MB | ready s |"
        yield f"| --- |{' --: |' * 7}"
        for arm in run.arms:
            cells = (arm.cpu_us, arm.p50_ms, arm.p99_ms, arm.capacity_per_s, arm.processes, arm.rss_mb, arm.ready_s)
            name = f"[{arm.name}](strategies/{arm.name}.md)" + (" (void)" if arm.void else "")
            yield f"| {name} | {' | '.join(number(cell) for cell in cells)} |"
        yield f"| *the plain call* | {number(run.floor_cpu_us)} | {number(run.floor_p50_ms)} |{' - |' * 5}"
        yield ""


def _cards(known: Figures) -> Iterable[str]:
    for card in CARDS:
        yield from _card(card, advise(card.answers, discover().values(), known))


def _card(card: Card, advice: Advice) -> Iterable[str]:
    yield from (f"### {card.title}", "", f"*Scarce: {card.scarce}.* {card.story}", "")
    yield from ("```bash", card.answers.command(), "```", "")
    if not advice.recommended:
        yield "No strategy here fits."
    for rank, (each, reasons) in enumerate(show.new_reasons(advice), 1):
        copies = f" ({each.scaled.copies} copies)" if each.scaled and each.scaled.copies > 1 else ""
        yield f"{rank}. **{each.name}**{copies}: {'; '.join(reasons)}."
    yield ""
    if advice.ruled_out:
        why = (f"{name} by `{'`, `'.join(reasons)}`" for name, reasons in advice.ruled_out.items())
        yield from (f"Ruled out: {', '.join(why)}.", "")
    for missing in advice.missing:
        yield from (f"{missing}.", "")
