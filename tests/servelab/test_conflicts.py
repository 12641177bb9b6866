"""Questions to the resolver: its words are cleaned, its answers told apart, and the page answers every question."""

import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from servelab import conflicts, resolve
from servelab.errors import ServelabError
from servelab.paths import ROOT

SERVELAB = ROOT / ".venv" / "bin" / "servelab"

PLAIN = """\
error: No solution found when resolving dependencies
  cause: Because seldon-core==1.18.2 depends on flask>=2.0.0,<3.0.0 and you require flask>=3, we can conclude that \
your requirements and seldon-core==1.18.2 are incompatible.
         And because you require seldon-core==1.18.2, we can conclude that your requirements are unsatisfiable.

hint: `flask` was found on https://index.example/simple, but not at the requested version
"""

NESTED = """\
error: No solution found when resolving dependencies
  cause: Because all of:
             b>=1,<=2
             b>=4
         depend on c>=2 and a @ file:///home/me/a.whl depends on c<2, we can conclude that a and b are incompatible.
"""


def test_a_proof_is_what_uv_says_and_nothing_else() -> None:
    assert resolve.proof(PLAIN).splitlines() == [
        "Because seldon-core==1.18.2 depends on flask>=2.0.0,<3.0.0 and you require flask>=3, we can conclude",
        "  that your requirements and seldon-core==1.18.2 are incompatible.",
        "And because you require seldon-core==1.18.2, we can conclude that your requirements are",
        "  unsatisfiable.",
    ]


def test_a_proof_keeps_its_lists_and_names_no_file() -> None:
    lines = resolve.proof(NESTED).splitlines()
    assert lines[:3] == ["Because all of:", "    b>=1,<=2", "    b>=4"]
    assert lines[3].startswith("depend on c>=2 and a @ ... depends on c<2")


@pytest.mark.parametrize(
    ("said", "cleaned"),
    [
        ("cannot import name 'x' from 'y' (/home/me/env/lib/y.py)", "cannot import name 'x' from 'y' (...)"),
        ("see https://index.example/simple/y and file:///tmp/y", "see ... and ..."),
        ("found in ~/cache/y", "found in ..."),
        ("pydantic>=2.0.0 and/or 1.10.27, gunicorn{sys_platform != 'win32'}<27", None),
    ],
)
def test_no_path_or_address_of_this_machine_is_left(said: str, cleaned: str | None) -> None:
    assert resolve.clean(said) == (said if cleaned is None else cleaned)


@pytest.mark.parametrize(
    ("requirement", "package"),
    [("kfp==1.8.22", "kfp"), ("Seldon_Core", "seldon-core"), ("uvicorn[standard]>=1", "uvicorn"), ("a ; x", "a")],
)
def test_a_requirement_names_its_package(requirement: str, package: str) -> None:
    assert resolve.name(requirement) == package


def wheel(folder: Path, name: str, version: str, needs: str = "", code: str = "") -> None:
    """A minimal wheel: one module, and perhaps one requirement."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", code)
        requires = f"Requires-Dist: {needs}\n" if needs else ""
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of four small libraries, the only one uv sees: old and new disagree about base, lax breaks on old."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "base", "1.0")
    wheel(folder, "base", "2.0", code="new = True")
    wheel(folder, "old", "1.0", "base<2")
    wheel(folder, "modern", "1.0", "base")
    wheel(folder, "modern", "2.0", "base>=2")
    wheel(
        folder, "lax", "1.0", "base", "import base\nif not hasattr(base, 'new'): raise ImportError('lax needs base 2')"
    )
    for key, value in {"UV_OFFLINE": "1", "UV_FIND_LINKS": str(folder), "UV_CACHE_DIR": str(tmp_path / "cache"),
                       "SERVELAB_HOME": str(tmp_path / "home"), "FORCE_COLOR": "1"}.items():  # fmt: skip
        monkeypatch.setenv(key, value)
    return tmp_path


RESOLVED = """\
python = "3.11"

[[case]]
requirements = ["old", "modern==2.0"]
expect = "conflicts"
says = "base"

[[case]]
requirements = ["old", "modern"]
expect = "downgrades"
says = "modern 1.0 for 2.0"
"""

BUILT = """
[[case]]
requirements = ["old", "lax"]
expect = "breaks"
imports = "import lax"
says = "lax needs base 2"

[[case]]
requirements = ["modern", "lax"]
expect = "resolves"
imports = "import lax"
"""


def asked(file: Path, cases: str, *options: str) -> subprocess.CompletedProcess[str]:
    file.write_text(cases)
    command = [str(SERVELAB), "conflicts", "--cases", str(file), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_every_kind_of_answer_is_found(shelf: Path) -> None:
    done = asked(shelf / "cases.toml", RESOLVED + BUILT)
    assert done.stdout.splitlines() == [
        "old modern==2.0: conflicts over base",
        "old modern: resolves, silently older: modern 1.0 for 2.0",
        "old lax: resolves, then breaks: import lax ends in ImportError: lax needs base 2",
        "modern lax: resolves, and import lax works",
    ], done.stderr
    assert list((shelf / "home").iterdir()) == [], "the environments are removed"


def test_the_section_holds_table_and_proof_without_colours_or_paths(shelf: Path) -> None:
    section = asked(shelf / "cases.toml", RESOLVED, "--markdown").stdout
    assert "| 1 | `old` `modern==2.0` | **conflicts** over `base` |" in section
    proof = section.partition("```text\n")[2]
    assert proof.startswith("Because ")
    assert "base<2" in proof
    assert "\x1b" not in section
    assert str(shelf) not in section


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"conflicts"', '"resolves"'), "case 1: expected resolves base; found conflicts"),
        (('"modern 1.0 for 2.0"', '"modern 0.9"'), "found downgrades\nmodern 1.0 for 2.0"),
        (('"base"', '"bass"'), "expected conflicts bass; found conflicts\nBecause"),
        (('"downgrades"', '"older"'), "expected one of conflicts, downgrades, breaks, resolves; found 'older'"),
        (("says", "say"), "expected the keys of"),
        (('python = "3.11"', "python ="), "expected the keys of"),
        (('"modern==2.0"', '"modern==3.0"'), "expected that modern==3.0 resolves alone; uv says:\nBecause"),
        (('"modern==2.0"', '"modern=>2.0"'), "expected an answer from uv; it exited 2 on modern=>2.0"),
    ],
)
def test_another_answer_or_a_bad_file_is_an_error(shelf: Path, change: tuple[str, str], message: str) -> None:
    done = asked(shelf / "cases.toml", RESOLVED.replace(*change, 1))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_index_that_does_not_answer_is_no_conflict(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_OFFLINE")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")  # the discard port: nobody listens
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    done = asked(shelf / "cases.toml", RESOLVED)
    assert done.returncode == 2
    assert "Check the network, and the package index that UV_DEFAULT_INDEX or uv.toml names" in done.stderr


def test_the_section_is_put_between_its_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    monkeypatch.setattr(conflicts, "PAGE", page)
    page.write_text(f"before\n{conflicts.BEGIN}\nstale\n{conflicts.END}\nafter\n")
    conflicts.write("fresh")
    assert page.read_text() == f"before\n{conflicts.BEGIN}\nfresh\n{conflicts.END}\nafter\n"
    page.write_text("no marks\n")
    with pytest.raises(ServelabError, match="put them back"):
        conflicts.write("fresh")
    assert page.read_text() == "no marks\n"


def test_the_page_answers_every_question_as_expected() -> None:
    section = conflicts.PAGE.read_text("utf-8").partition(conflicts.BEGIN)[2].partition(conflicts.END)[0]
    rows = re.findall(r"^\| \d+ \| (.+?) \| (.+) \|$", section, re.MULTILINE)
    _, cases = conflicts.load()
    assert [cells[0] for cells in rows] == [case.named for case in cases]
    for (_, answer), case in zip(rows, cases, strict=True):
        start = conflicts.CELLS[case.expect].partition("{")[0]
        assert answer.startswith(start), case
        assert case.says in answer, case
    proofs = re.findall(r"^\*\*(\d+)\.\*\* (.+)\n\n```text\nBecause ", section, re.MULTILINE)
    assert proofs == [(str(n), case.named) for n, case in enumerate(cases, 1) if case.expect == "conflicts"]


def test_the_page_names_no_machine_and_no_index() -> None:
    section = conflicts.PAGE.read_text("utf-8").partition(conflicts.BEGIN)[2].partition(conflicts.END)[0]
    assert resolve.clean(section) == section
