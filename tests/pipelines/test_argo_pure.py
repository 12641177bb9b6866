"""Tags, conditions of tasks and of resources, and jsonpath, as Argo and kubectl evaluate them."""

import contextlib
import json

import pytest
from hypothesis import given, strategies as st

from pipelines.argo import document, jsonpath, scope, selector, when
from pipelines.argo.errors import ArgoError
from pipelines.argo.selector import Verdict


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("", True),
        ('"true" == "true"', True),
        ('"false" == "true"', False),
        ("heads == heads", True),  # a bare word is a string
        ("3 == 3.0", True),
        ('"3" == 3', False),  # two types are never equal
        ('"3" != 3', True),
        ('"9" > "10"', True),  # strings compare by their characters
        ("9 > 10", False),
        ('"0.97" >= "0.95" && "a" != "b"', True),
        ("a == b || (c == c && !(d == e))", True),
        ("true", True),
        ("!true", False),
        ('"abc" =~ "^a.c$"', True),
        ("'single' !~ \"x\"", True),
        ('"a\\"b" == \'a"b\'', True),
    ],
)
def test_a_when_holds_as_argo_says(expression: str, expected: bool) -> None:
    assert when.holds(expression) is expected


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ('"3" > 2', "two types"),
        ("heads", "expected true or false; found 'heads'"),
        ("a == ", "its end"),
        ("(a == a", "closing parenthesis"),
        ("1 + 1 == 2", "'+'"),
        ('"a" in ("a", "b")', "'in'"),
        ('x == "a" ? y : z', "'?'"),
        ('"a" =~ "("', "regular expression"),
        ("true && 3", "found 3.0"),
    ],
)
def test_a_when_that_argo_or_this_reader_cannot_take_is_refused(expression: str, reason: str) -> None:
    with pytest.raises(ArgoError, match=r"when: ") as caught:
        when.holds(expression)
    assert reason in str(caught.value)


@given(st.text(st.characters(blacklist_characters='"\\', blacklist_categories=["Cs"])), st.text(st.characters(
    blacklist_characters='"\\', blacklist_categories=["Cs"])))  # fmt: skip
def test_two_quoted_strings_are_equal_when_they_are_the_same(one: str, other: str) -> None:
    assert when.holds(f'"{one}" == "{other}"') is (one == other)
    assert when.holds(f'!("{one}" == "{other}")') is (one != other)


@given(st.text())
def test_any_text_is_an_answer_or_an_error_in_words(text: str) -> None:
    for read in (when.holds, selector.parse, jsonpath.parse):
        with contextlib.suppress(ArgoError):
            read(text)


OBJECT = {
    "status": {"state": "Available", "replicas": 2, "ready": True, "list": [{"type": "Ready"}], "none": None},
    "metadata": {"labels": {"a": "b"}},
}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("status.state == Available", True),
        ("status.state = Available", True),
        ("status.state == Failed", False),
        ("status.state != Failed", True),
        ("status.state in (Creating, Available)", True),
        ("status.state notin (Creating,Failed)", True),
        ("status.replicas > 1", True),
        ("status.replicas < 2", False),
        ("status.state > 1", False),  # no number
        ("status.replicas == 2", True),
        ("status.ready == true", True),
        ("status.list.0.type == Ready", True),
        ("status.list.1.type == Ready", False),
        ("status.none == ", True),  # null prints as nothing
        ("status.state", True),
        ("!status.state", False),
        ("!status.description", True),
        ("status.description != anything", True),  # what is missing differs from everything
        ("status.description == anything", False),
    ],
)
def test_a_requirement_holds_as_kubernetes_labels_do(condition: str, expected: bool) -> None:
    (requirement,) = selector.parse(condition)
    assert requirement.holds(OBJECT) is expected


@pytest.mark.parametrize(
    "condition",
    ["status.state === x", "a b", ",", "x == y z", "x > many", "x == -", "status.x[0] == y",
     'status.#(type=="Ready") == x', "x == y,", "!x == y", f"x == {'y' * 64}"],
)  # fmt: skip
def test_a_condition_that_is_no_label_selector_is_refused(condition: str) -> None:
    with pytest.raises(ArgoError, match="condition"):
        selector.parse(condition)


@pytest.mark.parametrize(
    ("success", "failure", "state", "verdict"),
    [
        ("s == Available", "s == Failed", "Available", Verdict.DONE),
        ("s == Available", "s == Failed", "Failed", Verdict.FAILED),
        ("s == Available", "s == Failed", "Creating", Verdict.WAIT),
        ("s == Available, r == 2", "", "Available", Verdict.WAIT),  # comma is AND
        ("s == Available, r == 1", "", "Available", Verdict.DONE),
        ("s == Available", "s == Available", "Available", Verdict.FAILED),  # failure is asked first
        ("s == Available", "s == Failed, r == 1", "Creating", Verdict.FAILED),  # any of the failure's fails
        ("", "s == Failed", "Creating", Verdict.DONE),  # a failure condition alone waits for nothing
    ],
)
def test_two_conditions_judge_as_argos_executor(success: str, failure: str, state: str, verdict: Verdict) -> None:
    found = {"s": state, "r": 1}
    assert selector.judge(found, selector.parse(success), selector.parse(failure)) is verdict


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{}", json.dumps(OBJECT, separators=(",", ":"))),
        ("{.status.state}", "Available"),
        ("{.status.list[0].type}", "Ready"),
        ("{.status.list[7].type}", ""),
        ("{.metadata.labels['a']}", "b"),
        ("{$.status.replicas} of {.status.state}", "2 of Available"),
        ("{.no.such}", ""),
    ],
)
def test_a_jsonpath_reads_as_kubectl(template: str, expected: str) -> None:
    assert jsonpath.read(template, OBJECT) == expected


@pytest.mark.parametrize("template", ["{.items[*]}", "{range .items}", "{.a[?(@.b==1)]}", "{..name}"])
def test_a_jsonpath_of_another_form_is_refused(template: str) -> None:
    with pytest.raises(ArgoError, match="jsonPath"):
        jsonpath.parse(template)


def test_tags_are_filled_once_and_a_missing_one_is_named() -> None:
    assert scope.fill("{{a}} {{ b.c }}", {"a": "{{b.c}}", "b.c": "2"}) == "{{b.c}} 2"
    with pytest.raises(ArgoError, match=r"failed to resolve \{\{c\}\}"):
        scope.fill("{{c}}", {})


@given(st.text(), st.text())
def test_text_without_tags_stays_and_a_value_is_put_in_as_it_is(text: str, value: str) -> None:
    plain = text.replace("{", "")
    assert scope.fill(plain + "{{x}}", {"x": value}) == plain + value


@pytest.mark.parametrize(
    ("value", "seconds"), [(None, None), (5, 5.0), ("5s", 5.0), ("2m", 120.0), ("1h", 3600.0), ("30", 30.0)]
)
def test_a_duration_is_read(value: object, seconds: float | None) -> None:
    assert document.seconds(value) == seconds


def test_a_duration_that_is_none_is_refused() -> None:
    with pytest.raises(ArgoError, match="duration"):
        document.seconds("soon")
