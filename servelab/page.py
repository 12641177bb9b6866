"""The parts of a documentation page that a command makes: each stands between two marks."""

from pathlib import Path

from servelab.errors import ServelabError


def put(page: Path, begin: str, end: str, text: str) -> None:
    """Put ``text`` between the lines ``begin`` and ``end`` of a page, in place of what stood there."""
    before, begins, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ends, after = rest.partition(end)
    if not begins or not ends:
        raise ServelabError(
            f"{page}: expected the lines {begin} and {end}, and what is made between them; put them back"
        )
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
