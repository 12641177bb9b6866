"""Tables in docs/measuring.md that commands write: between two comments, and nowhere else."""

from pathlib import Path

from bench.errors import BenchError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "measuring.md"


def put(name: str, text: str, file: Path = PAGE) -> None:
    """Replace what stands between `<!-- NAME ... -->` and `<!-- end of NAME -->`. Raises BenchError."""
    before, begin, rest = file.read_text("utf-8").partition(f"<!-- {name}")
    opening, close, rest = rest.partition("-->")
    _, end, after = rest.partition(f"<!-- end of {name} -->")
    if not (begin and close and end):
        raise BenchError(f"{file}: expected the comments <!-- {name} --> and <!-- end of {name} -->; put them back")
    file.write_text(f"{before}{begin}{opening}{close}\n{text}\n{end}{after}", "utf-8")
