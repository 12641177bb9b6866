"""Whatever is done to a sound manifest, it is read, or a ManifestError says where it is wrong; nothing else happens."""

import copy
from typing import Any

from hypothesis import given, settings, strategies as st

from servelab.graph.manifest import ManifestError, document, parse
from servelab.graph.manifest.fields import METHODS, TYPES
from servelab.paths import ROOT

FILES = sorted(ROOT.glob("k8s/seldon/*.yaml"))
SOUND = [content for file in FILES for content in document.load(file)]
WORDS = ("name", "type", "children", "graph", "RANDOM_ABTEST", "SKLEARN_SERVER", "ratioA", "1", "", *TYPES, *METHODS)
KEYS = st.sampled_from(WORDS) | st.text(max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
CHANGES = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from("rdkc"), VALUES, st.sampled_from(WORDS)), max_size=4
)


def places(content: Any) -> list[tuple[Any, Any]]:
    """Every container of the document with each of its keys or positions."""
    keys = list(content) if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    return [place for key in keys for place in ((content, key), *places(content[key]))]


def change(content: Any, where: int, how: str, value: Any, word: str) -> None:
    """Replace, drop, rename or copy one thing of the document, in place."""
    found = places(content)
    if not found:
        return
    inside, key = found[where % len(found)]
    if how == "d":
        del inside[key]
    elif how == "k" and isinstance(inside, dict):
        inside[word] = inside.pop(key)
    elif how == "c":
        other, there = found[where // 7 % len(found)]
        if there in other if isinstance(other, dict) else there < len(other):
            inside[key] = copy.deepcopy(other[there])
    else:
        inside[key] = value


def refused(content: Any) -> str | None:
    """The message of the refusal, which must be printable; None when it is read."""
    try:
        parse(content, "here")
    except ManifestError as error:
        return str(error).encode().decode()
    return None


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SOUND), CHANGES)
def test_a_changed_manifest_is_read_or_refused_by_path(sound: Any, changes: list[tuple[int, str, Any, str]]) -> None:
    content = copy.deepcopy(sound)
    for one in changes:
        change(content, *one)
    if message := refused(content):
        assert message.startswith("here: ")
        return
    deployment = parse(content)
    for predictor in deployment.predictors:
        names = [unit.name for unit in predictor.units()]
        assert names
        assert len(set(names)) == len(names)
    assert sum(predictor.traffic for predictor in deployment.predictors if not predictor.shadow) == 100


@settings(deadline=None)
@given(VALUES)
def test_what_is_no_manifest_is_refused(content: Any) -> None:
    assert refused(content)


def test_nesting_without_end_is_refused_without_recursing_to_it() -> None:
    content = copy.deepcopy(SOUND[0])
    unit: dict[str, Any] = {"name": "m"}
    unit["children"] = [unit]
    content["spec"]["predictors"][0]["graph"] = unit
    assert "at most 10 levels" in str(refused(content))
