"""What was written stays, whenever the writer ends."""

import math
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from bench import journal
from bench.errors import BenchError
from bench.journal import Journal

WRITER = """
import sys
from pathlib import Path
from bench.journal import Journal
with Journal(Path(sys.argv[1])) as lines:
    for number in range(1_000_000):
        lines.append("round", number=number, text="x" * 5_000)
        print(number, flush=True)
"""
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text().filter(lambda t: "inf" not in t),
    lambda inner: st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30)
@given(content=st.lists(st.dictionaries(st.sampled_from("abc"), values), max_size=5))
def test_lines_come_back_in_order(content: list[dict[str, object]], tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    with Journal(file) as lines:
        for each in content:
            lines.append("entry", **each)
    assert list(journal.read(file)) == [{"kind": "entry", **each} for each in content]


def test_infinite_times_survive(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    with Journal(file) as lines:
        lines.append("round", p99=math.inf, low=-math.inf, deep={"p50": math.inf})
    assert "Infinity" not in file.read_text()
    (entry,) = journal.read(file)
    assert entry == {"kind": "round", "p99": math.inf, "low": -math.inf, "deep": {"p50": math.inf}}


def test_every_prefix_of_a_journal_reads_as_its_whole_lines(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    with Journal(file) as lines:
        for number in range(3):
            lines.append("round", number=number)
    content = file.read_bytes()
    for length in range(0, len(content) + 1, 3):
        file.write_bytes(content[:length])
        whole = content[:length].count(b"\n")
        assert [entry["number"] for entry in journal.read(file)] == list(range(whole))
        with Journal(file) as lines:
            lines.append("round", number=99)
        assert [entry["number"] for entry in journal.read(file)] == [*range(whole), 99]


def test_a_killed_writer_loses_no_line_that_it_has_finished(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for told in writer.stdout:
            if int(told) == 20:
                break
        writer.send_signal(signal.SIGKILL)
        last = max([20, *(int(line) for line in writer.stdout.read().splitlines() if line.isdigit())])
    found = [entry["number"] for entry in journal.read(file)]
    assert found[: last + 1] == list(range(last + 1))


def test_two_writers_are_one_too_many(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    with Journal(file) as lines:
        lines.append("run")
        with pytest.raises(BenchError, match="another process is writing"):
            Journal(file)
    with Journal(file) as lines:
        lines.append("round")


@pytest.mark.parametrize("line", ["", "3", "[]", "{}", '{"a": 1}', "no JSON"])
def test_what_is_no_journal_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "journal.jsonl"
    file.write_text(f'{{"kind": "run"}}\n{line}\n')
    with pytest.raises(BenchError, match="line 2: expected a JSON object with a kind"):
        list(journal.read(file))
