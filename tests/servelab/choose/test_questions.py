"""Every answer is read or refused with what was expected; asking, and the figures' file."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bench.report import forms
from servelab.choose import AnswerError, Answers, command, load
from servelab.choose.figures import parse
from servelab.choose.questions import QUESTIONS, asked, typed
from servelab.errors import ServelabError
from tests.servelab.choose.measured import ARM, FEWER, any_answers, any_figures, figures

BY_NAME = {question.name: question for question in QUESTIONS}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
@given(text=st.text() | st.floats().map(str) | st.integers().map(str))
def test_any_text_is_an_answer_or_refused_with_what_was_expected(question: Any, text: str) -> None:
    try:
        value = question.parse(text)
    except AnswerError as error:
        assert f"{question.name}: expected {question.expected}; found " in str(error)  # noqa: PT017
    else:
        question.check(value)


@given(any_answers())
def test_what_is_shown_can_be_typed(answers: Answers) -> None:
    options = answers.command().split()[2:]
    said = {name[2:]: BY_NAME[name[2:]].parse(text) for name, text in zip(options[::2], options[1::2], strict=True)}
    again = Answers(**said)
    for name, value in answers.given.items():
        assert getattr(again, name) == (pytest.approx(value) if isinstance(value, float) else value)


@pytest.mark.parametrize(
    ("name", "text"),
    [("when", "later"), ("latency", "-1"), ("latency", "nan"), ("latency", "inf"), ("latency", "10ms"), ("rate", "any"),
     ("rate", "0"), ("people", "0"), ("people", "2.5"), ("need", "speed"), ("need", ""), ("percentile", "p42"),
     ("model", "text"), ("price", "free"), ("rate", "1e300"), ("people", "9" * 5000)],
)  # fmt: skip
def test_bad_answers_are_refused(name: str, text: str) -> None:
    with pytest.raises(AnswerError, match=f"^{name}: expected .*; found "):
        BY_NAME[name].parse(text)


@pytest.mark.parametrize("change", [{"when": None}, {"rate": "10"}, {"need": ["ab"]}, {"people": True}, {"rate": True},
                                    {"latency": float("nan")}, {"when": ["online"]}])  # fmt: skip
def test_bad_values_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(AnswerError, match="expected"):
        Answers(**change)


def test_a_budget_wants_a_price() -> None:
    with pytest.raises(AnswerError, match="expected a price of a core-hour"):
        Answers(budget=10.0)


def lines(*typed: str) -> Any:
    said = iter(typed)

    def read(_: str) -> str:
        try:
            return next(said)
        except StopIteration:
            raise EOFError from None

    return read


def asked_of(said: dict[str, Any]) -> Iterable[str]:
    while question := asked(said):
        yield question.name
        said[question.name] = BY_NAME[question.name].parse(question.default)


def test_empty_lines_are_the_defaults() -> None:
    assert command.ask(lines(*[""] * 20)) == Answers()


def test_a_bad_line_is_refused_and_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    found = command.ask(lines("sometimes", "batch", "table", *[""] * 20))
    assert found == Answers(when="batch", model="table")
    assert capsys.readouterr().out == "when: expected online or batch; found 'sometimes'\n"


def test_what_cannot_matter_is_not_asked() -> None:
    assert {"latency", "percentile", "rate", "budget"}.isdisjoint(asked_of({"when": "batch"}))
    assert "percentile" not in asked_of({"latency": None})
    assert "budget" in asked_of({"price": 1.0})
    assert "budget" not in asked_of({"price": None})


def test_an_ended_input_says_how_to_go_on() -> None:
    with pytest.raises(ServelabError, match=r"ended before 'model' was answered.*--model image"):
        command.ask(lines(""))


@FEWER
@given(any_figures())
def test_figures_come_back_from_their_file(known: Any) -> None:
    assert parse(forms.to_json(known), Path("figures.json")) == known


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "in JSON"), ("[]", "expected an object with the keys format and runs"), ("{}", "'format' is missing"),
     ('{"format": 2, "runs": []}', "format must be one of 1"), ('{"format": 1, "runs": NaN}', "not JSON"),
     ('{"format": 1, "runs": [{"speed": 1}]}', "unknown key 'runs[0].speed'"), ("[" * 100_000, "in JSON"),
     ("\N{SNOWMAN}", "in JSON")],
)  # fmt: skip
def test_another_file_is_refused_with_how_to_make_one(content: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ServelabError) as error:
        load(file)
    assert words in str(error.value)
    assert str(file) in str(error.value)


@pytest.mark.parametrize("change", [{"cpu_us": -1.0}, {"p99_ms": 0.0}, {"errors": -1}])
def test_impossible_figures_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    file.write_text(forms.to_json(figures(replace(ARM, **change))))
    with pytest.raises(ServelabError, match=rf"flask: {next(iter(change))} must be"):
        load(file)


@pytest.mark.parametrize(
    ("number", "words"), [('"inf"', "must be finite"), ("1e999", "must be finite"), ("9" * 400, "must be a number")]
)
def test_only_times_may_be_infinite(number: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    file.write_text(forms.to_json(figures(ARM)).replace('"cpu_us": 300.0', f'"cpu_us": {number}'))
    with pytest.raises(ServelabError, match=rf"cpu_us {words}"):
        load(file)
    file.write_text(forms.to_json(figures(ARM)).replace('"p99_ms": 5.0', '"p99_ms": "inf"'))
    assert load(file).runs[0].arms[0].p99_ms == float("inf")


def test_a_word_where_a_number_belongs_is_refused(tmp_path: Path) -> None:
    content = json.loads(forms.to_json(figures(ARM)))
    content["runs"][0]["arms"][0]["cpu_us"] = "quick"
    file = tmp_path / "figures.json"
    file.write_text(json.dumps(content))
    with pytest.raises(ServelabError, match=r"cpu_us must be a number; found 'quick'"):
        load(file)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ServelabError, match="cannot read"):
        load(tmp_path / "none.json")
    with pytest.raises(ServelabError, match="cannot read"):
        load(tmp_path)


def test_answers_are_shown_as_one_types_them() -> None:
    assert [typed(value) for value in (None, (), ("ab", "versions"), 0.05, 2)] == [
        "any", "nothing", "ab,versions", "0.05", "2",
    ]  # fmt: skip
