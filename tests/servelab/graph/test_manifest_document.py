"""YAML as an API server takes it: strict, bounded in time and memory, every fault with its line."""

import contextlib
import itertools
import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from servelab.graph.manifest import ManifestError, document, read


def chain(link: str) -> str:
    """A thousand values, each of the one before: short, flat, and a thousand deep."""
    return "a0: &a0 {}\n" + "".join(f"a{i}: &a{i} {link.format(f'a{i - 1}')}\n" for i in range(1, 1000))


def laughs(first: str, link: str) -> str:
    """A dozen values, each nine times the one before."""
    names = string.ascii_lowercase[:12]
    nine = {name: ", ".join([f"*{name}"] * 9) for name in names}
    links = (f"{new}: &{new} {link.format(nine[old])}\n" for old, new in itertools.pairwise(names))
    return f"a: &a {first}\n" + "".join(links)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: {\n", "line 3, column 1: expected YAML as an API server takes it; found: "),
        ("a: 1\nb:\n\tc: 2", "line 3, column 1: "),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: expected YAML as an API server takes it; found: the key 'a' twice"),
        ("a: *b", "line 1, column 4: expected YAML as an API server takes it; found: *b, with no complete &b before"),
        ("a: &a\n- *a", "line 2, column 3: expected YAML as an API server takes it; found: *a, with no complete &a "),
        ("? [1]\n: 2", "line 1, column 3: expected YAML as an API server takes it; found: expected a word as key"),
        ("<<: 3", "line 1, column 5: "),
        ("a: !!python/name:os.system", "the tag tag:yaml.org,2002:python/name:os.system; a manifest needs none"),
        ("a: !!int x", "the tag tag:yaml.org,2002:int; a manifest needs none"),
        ("a: !own {}", "the tag !own; a manifest needs none"),
        ("[" * 5000, "line 1, column 101: expected YAML as an API server takes it; found: more than 100 levels"),
        (chain("[*{}]"), "line 100, column 12: expected YAML as an API server takes it; found: more than 100 levels"),
        (chain("{{<<: *{}}}"), "found: more than 100 levels, aliases written out"),
        (
            laughs("[x, x]", "[{}]"),
            "line 6, column 12: expected YAML as an API server takes it; found: more than 50000 values, aliases",
        ),
        (laughs("{x: 1}", "{{<<: [{}]}}"), "found: more than 50000 values, aliases written out"),
        ("- x\n" * 60000, "line 50000, column 3: expected YAML as an API server takes it; found: more than 50000"),
        ("a: " + "x" * (1 << 18), "expected at most 262144 bytes; found more"),
        (r'a: "\ud83d"', "line 1, column 4: expected YAML as an API server takes it; found: half of a"),
        ("a: \x00", "special characters are not allowed"),
        ("", "expected a SeldonDeployment; found no document"),
        ("---\n---\n# nothing\n", "expected a SeldonDeployment; found no document"),
        ("words", "here: expected a mapping with the keys apiVersion, kind, metadata, spec, status; found 'words'"),
    ],
)
def test_a_file_that_is_no_manifest(text: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here").write_text(text)
    with pytest.raises(ManifestError) as caught:
        read(Path("here"))
    assert problem in str(caught.value)
    assert str(caught.value).startswith("here: ")


def test_a_byte_that_is_no_utf8_is_told_with_its_line() -> None:
    with pytest.raises(ManifestError, match=r"^here: line 2: expected UTF-8; found the byte 0xe9. Save it as UTF-8$"):
        document.loads("a: 1\nb: café".encode("latin-1"), "here")


def test_a_folder_and_a_missing_file_are_no_traceback(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.yaml"):
        with pytest.raises(ManifestError, match="expected a file that can be read; found: "):
            read(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2001-01-01", "2001-01-01"),
        ("12:30", "12:30"),
        ("0x1f", "0x1f"),
        (".inf", ".inf"),
        ("010", "010"),
        ("10", 10),
        ("-3", -3),
        ("1e3", 1000.0),
        ("0.5", 0.5),
        ("yes", True),
        ("~", None),
        ("!!str 5", "5"),
        ("'5'", "5"),
        (r'"\ud83d\ude00"', "😀"),
    ],
)
def test_a_plain_word_is_what_json_could_hold(text: str, value: Any) -> None:
    assert document.loads(f"a: {text}".encode(), "here") == [{"a": value}]


def test_keys_are_words_and_aliases_and_merges_stand_for_what_they_name() -> None:
    text = b"\xef\xbb\xbfx: &x {1: a, yes: b}\ny: {<<: *x, yes: c}\nz: *x\ni: &i 5\n*i : 6\n"
    assert document.loads(text, "here") == [
        {"x": {"1": "a", "yes": "b"}, "y": {"1": "a", "yes": "c"}, "z": {"1": "a", "yes": "b"}, "i": 5, "5": 6}
    ]


SCALARS = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(string.printable, max_size=8)
KEYS = st.text(string.ascii_letters, min_size=1)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "spec", "yes", "1"]), JSON, min_size=1))
def test_what_a_dumper_writes_is_read_back(content: dict[str, Any]) -> None:
    assert document.loads(yaml.safe_dump(content).encode(), "here") == [content]


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet="&*a{}[]:,-<?!'\" \n#|>%~", max_size=40).map(str.encode))
def test_bytes_are_documents_or_a_manifest_error(content: bytes) -> None:
    with contextlib.suppress(ManifestError):
        assert document.loads(content, "here")
