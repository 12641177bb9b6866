"""The cost of a hop: measured for real against both bars, and what the report says of any figures."""

import re

import pytest

from bench import hop
from bench.hop import Round


def test_both_bars_hold(capsys: pytest.CaptureFixture[str]) -> None:
    # Shares of CPU time, which other work on the machine hardly moves; the gateway has more than twice the room.
    status = hop.main(["--rounds", "1", "--seconds", "0.7"])
    text = capsys.readouterr().out
    assert status == 0, text
    assert len(re.findall(r"a hop of the gateway is \d\.\d\d .*: holds", text)) == 2


@pytest.mark.parametrize(
    ("gateway", "plain", "component", "status"),
    [(0.2, 1.0, 0.5, 0), (0.5, 1.0, 0.5, 0), (0.51, 2.0, 0.5, 1), (0.4, 0.7, 0.5, 1)],
)
def test_the_exit_status_says_whether_both_bars_hold(
    gateway: float, plain: float, component: float, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hop.report({"gateway": [Round(gateway, component)], "plain": [Round(plain, component)]}) == status
    assert ("DOES NOT HOLD" in capsys.readouterr().out) == bool(status)
