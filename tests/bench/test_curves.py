"""The curves: real servers under real load, of which only what no crowd can change is asserted."""

from pathlib import Path

import pytest

from bench import curves
from bench.curves import Load
from servelab.errors import StrategyError
from tests import folders

# Answers 0.2 s late where SLOW is set.
SLOW = "_predict = predict\ndef predict(x):\n    time.sleep(float(os.environ.get('SLOW', 0)))\n    return _predict(x)"


def test_an_arm_runs_with_the_variables_in_its_name(tmp_path: Path) -> None:
    plain = str(folders.make(tmp_path, hook=SLOW))
    loads = [Load(clients=2), Load(rate=20.0)]
    points = curves.curves([plain, f"{plain}+SLOW=0.2"], "iris", loads, workers=1, rounds=1, seconds=1.0, batch=2)
    assert list(points) == [(load, name) for load in loads for name in (plain, f"{plain}+SLOW=0.2")]
    assert all(point.failed == 0 and point.answered > 0 and point.cpu > 0 for point in points.values())
    slow = points[loads[0], f"{plain}+SLOW=0.2"]
    assert slow.p50 is not None
    assert slow.p50 >= 200
    assert slow.p99 is None, "too few answers in a second to tell"
    assert slow.answered <= 2 / 0.2
    assert slow.answered < points[loads[0], plain].answered
    table = curves.markdown(points).splitlines()
    assert [line.split(" | ")[0] for line in table[2:]] == ["| 2 clients", "| 2 clients", "| 20/s", "| 20/s"]


def test_what_is_no_strategy_is_said() -> None:
    with pytest.raises(StrategyError, match="no strategy 'nope'"):
        curves.arm("nope+A=1")
