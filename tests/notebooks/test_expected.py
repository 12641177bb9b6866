"""What a page promises to print against what was printed."""

import pytest
from hypothesis import given, strategies as st

from notebooks.course import expected

LINES = st.lists(st.text("abc 12", min_size=1).map(str.strip).filter(bool))


@given(LINES, LINES)
def test_what_was_printed_has_each_of_its_own_lines_whatever_stands_between(
    lines: list[str], between: list[str]
) -> None:
    noise = "\n".join(between)
    printed = "".join(f"{noise}\n{line}\n" for line in lines)
    assert expected.missing("\n".join(lines), printed) is None


@given(LINES, LINES)
def test_a_line_that_was_not_printed_is_found_missing(lines: list[str], after: list[str]) -> None:
    text = "\n".join([*lines, "zebra", *after])
    assert expected.missing(text, "\n".join(lines + after)) in (*after, "zebra")
    assert expected.missing(text, text) is None


@pytest.mark.parametrize(
    ("promised", "printed", "first"),
    [
        ("one ... three", "one two three", None),
        ("three\none", "one\nthree", "one"),
        ("status 400", "status 200", "status 400"),
        ("once\nonce", "once", "once"),
        ("...", "", None),
        ("  indented", "x indented", None),
    ],
)
def test_order_and_gaps(promised: str, printed: str, first: str | None) -> None:
    assert expected.missing(promised, printed) == first


def test_only_fences_of_output_promise_anything() -> None:
    page = "```text output\na\n```\n\n```python\nb\n```\n\n```text\nc\n```\n```text  output\nd\ne\n```\n"
    assert expected.outputs(page) == ["a\n", "d\ne\n"]
