import shutil

import pytest

from bench.errors import BenchError
from bench.load import null_server, rivals, speed
from bench.load.speed import Rounds, bounds, gather, ratio

FAST: Rounds = {"engine": [10.0, 8.0, 9.0], "wrk": [9.0, 8.0, 8.0], "locust": [99.0, 98.0, 97.0]}
FAST |= {"null server": [7.0, 7.0, 7.0], "requests/s": [1e5] * 3}
PROMPT: Rounds = {"engine": [30.0] * 3, "lag p50": [40.0, 30.0, 99.0], "lag p99": [900.0, 5_000.0, 950.0]}
PROMPT |= {"timer p50": [20.0] * 3, "timer p99": [100.0] * 3}


def missed(closed: Rounds, opened: Rounds) -> list[str]:
    return [bound.text for bound in bounds({"36 B": closed}, opened) if not bound.met]


def test_a_ratio_is_of_the_same_round() -> None:
    """A machine that slows down halfway slows both."""
    assert ratio({"a": [1.0, 10.0, 100.0], "b": [1.0, 9.0, 101.0]}, "a", "b") == 1.0


def test_figures_are_gathered_by_name() -> None:
    assert gather([{"a": 1.0, "b": 2.0}, {"b": 3.0, "a": 4.0}]) == {"a": [1.0, 4.0], "b": [2.0, 3.0]}


def test_a_fast_and_prompt_engine_meets_every_bound() -> None:
    assert missed(FAST, PROMPT) == []
    assert len(bounds({"36 B": FAST, "6 kB": FAST}, PROMPT)) == 8


@pytest.mark.parametrize(
    ("closed", "opened", "found"),
    [
        ({"wrk": [7.0, 7.0, 7.0]}, {}, r"36 B: 1.29 x wrk, at most 1.15"),
        ({"locust": [60.0, 60.0, 60.0]}, {}, r"36 B: Locust 6.7 x, at least 8"),
        ({"null server": [11.0, 11.0, 11.0]}, {}, r"null server 1.22 x, below 1"),
        ({}, {"lag p50": [60.0, 60.0, 1.0]}, r"lag p50 60 us, at most 50"),
        ({}, {"lag p99": [1_500.0] * 3}, r"lag p99 1500 us, 15.0 x a bare timer's"),
    ],
)
def test_each_bound_can_be_missed(closed: Rounds, opened: Rounds, found: str) -> None:
    (text,) = missed(FAST | closed, PROMPT | opened)
    assert found in text


def test_a_late_timer_excuses_the_engine() -> None:
    assert missed(FAST, PROMPT | {"lag p99": [1_500.0] * 3, "timer p99": [800.0] * 3}) == []


def test_without_rivals_only_the_engine_is_judged() -> None:
    alone = {name: values for name, values in FAST.items() if name not in ("wrk", "locust")}
    assert len(bounds({"36 B": alone}, PROMPT)) == 3


def test_it_measures_what_is_there_and_says_what_is_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRK", "no-such-wrk")
    monkeypatch.setenv("LOCUST", "no-such-locust")
    assert speed.main(["--rounds", "1", "--seconds", "1"]) in (0, 1)
    printed = capsys.readouterr().out
    assert "wrk is not installed: skipped" in printed
    assert "locust is not installed: skipped" in printed
    assert "null server" in printed
    assert "lag p99" in printed


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is an optional cross-check")
def test_wrk_is_measured_where_it_is() -> None:
    with null_server.running(b"1") as server:
        cost = rivals.wrk("wrk", server.port, 36, 1)
    assert cost.requests > 100
    assert 0 < cost.cpu < 10
    assert cost.us == pytest.approx(cost.cpu / cost.requests * 1e6)


def test_a_tool_that_fails_is_told_with_what_it_said() -> None:
    with pytest.raises(BenchError, match=r"expected ls to end well, found status \d+: ls: "):
        rivals.wrk("ls", 1, 36, 1)
    with pytest.raises(BenchError, match=r"in what the tool printed"):
        rivals.wrk("true", 1, 36, 1)


@pytest.mark.parametrize("option", ["--rounds", "--seconds"])
def test_no_rounds_are_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        speed.main([option, "0"])
    assert "expected --rounds and --seconds of 1 or more, found" in capsys.readouterr().err
