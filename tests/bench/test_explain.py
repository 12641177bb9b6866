"""Every finding has a page, every page a finding."""

from importlib import resources

import pytest

from bench import explain, gates
from bench.errors import BenchError
from bench.gates import validity

WIDTH = 120


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    pages = {file.name.removesuffix(".md") for file in resources.files(explain).iterdir() if file.name.endswith(".md")}
    assert pages == set(gates.CODES)


@pytest.mark.parametrize("code", gates.CODES)
def test_a_page_says_what_why_and_what_to_do(code: str) -> None:
    lines = explain.page(code).splitlines()
    assert lines[0].startswith(f"# {code}: ")
    heads = [line for line in lines if line.startswith("## ")]
    assert heads == ["## What it means", "## Why it matters", "## See it yourself", "## What to do"]
    voids = code in validity.GATES or code == "NOISY_NEIGHBOUR"
    assert lines[2].startswith("**Voids the row.**" if voids else "**A warning.**")
    assert max(map(len, lines)) <= WIDTH
    assert 20 <= len(lines) <= 45


def test_small_letters_and_dashes_do() -> None:
    assert explain.page("few-requests") == explain.page("FEW_REQUESTS")


def test_an_unknown_code_is_told_the_nearest_and_all() -> None:
    with pytest.raises(BenchError) as raised:
        explain.page("generator-lat")
    assert "found 'generator-lat'. Did you mean GENERATOR_LATE?" in str(raised.value)
    assert all(code in str(raised.value) for code in gates.CODES)
    with pytest.raises(BenchError, match=r"found 'x'. The codes: ARRIVALS_OFF, "):
        explain.page("x")
