"""The page *then and now* quotes the two programs as they are."""

import re
import textwrap

import pytest

from servelab.paths import ROOT

PAGE = (ROOT / "pipelines" / "then-and-now.md").read_text("utf-8")
QUOTES = re.findall(r"^```python file=(\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def squeezed(text: str) -> str:
    """Without indents and remarks to tools."""
    return "\n".join(re.sub(r"  # (type|fmt|noqa).*", "", line).strip() for line in textwrap.dedent(text).splitlines())


def test_the_page_quotes_both_programs() -> None:
    assert {file for file, _ in QUOTES} == {
        f"pipelines/{name}" for name in ("v1/seed.py", "v1/pipeline.py", "v2/pipeline.py")
    }
    assert len(QUOTES) >= 10


@pytest.mark.parametrize(("file", "quote"), QUOTES, ids=lambda text: text.splitlines()[0])
def test_a_quote_stands_in_the_program(file: str, quote: str) -> None:
    assert squeezed(quote) in squeezed((ROOT / file).read_text("utf-8")), (
        f"{file} has changed: mend pipelines/then-and-now.md"
    )
