"""What the book is made of: links followed, pages found, and every reason why it cannot be made."""

import fcntl
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, strategies as st
from nbformat import NotebookNode

from docs import book
from docs.gather import BookError, gather
from notebooks.course.links import followed

PIECES = st.lists(
    st.sampled_from(["[a](b.md)", "[a]: b.md\n", "\n\n", "\n", "`", "```", "~~~", "## c", " ", "](", "d#e", ")"])
)


@given(PIECES.map("".join))
def test_a_text_whose_links_stay_stays(text: str) -> None:
    assert followed(text, lambda path, _: path) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[a](b.md)", [("b.md", "")]),
        ("[`a`](b.md#c) ![d](e/f.svg)", [("b.md", ""), ("e/f.svg", "")]),
        ("## One\n[a](b.md)\n## Two\n[c](d.md)", [("b.md", "One"), ("d.md", "Two")]),
        ("[a][1]\n\n[1]: ../b.md#c\n", [("../b.md", "")]),
        ("[a](#here) [b](https://other.example/c.md) <d@e.example> [f](mailto:g@h.example)", []),
        ("`[a](b.md)` ``[`a`](b.md)`` and\n```text\n[a](b.md)\n## no\n```\n[c](d.md)", [("d.md", "")]),
        ("````markdown\n```text\n[a](b.md)\n```\n````\n", []),
        ("one ` tick\n\n[a](b.md) and one ` more", [("b.md", "")]),
    ],
)  # fmt: skip
def test_links_are_found_outside_of_code(text: str, found: list[tuple[str, str]]) -> None:
    seen: list[tuple[str, str]] = []

    def follow(path: str, section: str) -> str:
        seen.append((path, section))
        return path

    followed(text, follow)
    assert seen == found


def repository(folder: Path, **files: str) -> Path:
    for name, text in {"docs/index.md": "# First\n", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


def lesson(*outputs: NotebookNode) -> NotebookNode:
    cells = [nbformat.v4.new_markdown_cell("# 01 · One\n\n[second](../../docs/second.md#part)"),
             nbformat.v4.new_code_cell("print('하나')", outputs=list(outputs))]  # fmt: skip
    return NotebookNode(nbformat.v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}}))


SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
ONE = "notebooks/01-one/01-one.ipynb"
SECOND = {"docs/second.md": "# Second\n\n## Part\n\n[a folder](data/) [code](../run.py) [first](index.md)\n",
          "docs/data/figures.json": "{}", "docs/data/notes.yaml": "a: 1\n", "run.py": "print(1)\n"}  # fmt: skip


def whole(folder: Path) -> tuple[Path, Mapping[str, NotebookNode]]:
    first = "# First\n\n## Learn\n\n[one](../notebooks/01-one)\n\n## More\n\n[s][]\n\n[s]: second.md\n"
    root = repository(folder, **{"docs/index.md": first, ONE: "{}"}, **SECOND)
    stream = nbformat.v4.new_output("stream", text="하나\n")
    picture = nbformat.v4.new_output("display_data", data={"image/svg+xml": SVG})
    return root, {ONE: lesson(stream, picture)}


def test_pages_are_found_by_links_and_stand_below_the_first_that_links_to_them(tmp_path: Path) -> None:
    made = gather(*whole(tmp_path), needed={})
    assert list(made.pages) == ["docs/index.md", ONE, "docs/second.md", "docs/data/contents.md", "run.py.md",
                                "docs/data/notes.yaml.md"]  # fmt: skip
    assert made.contents("docs/index.md") == (
        "```{toctree}\n:hidden:\n:caption: Learn\n\n/notebooks/01-one/01-one\n```\n\n"
        "```{toctree}\n:hidden:\n:caption: More\n\n/docs/second\n```\n"
    )
    assert made.contents("docs/second.md") == "```{toctree}\n:hidden:\n\n/docs/data/contents\n/run.py\n```\n"
    assert made.files == {"docs/data/figures.json"}
    assert "(../run.py.md)" in str(made.pages["docs/second.md"])


def test_every_broken_link_and_unreached_page_is_named(tmp_path: Path) -> None:
    first = "[a](gone.md) [b](../../outside.md) [c](../notebooks/02-two/02-two.ipynb)"
    root = repository(tmp_path, **{"docs/index.md": first, "docs/lonely.md": "# Lonely\n"})
    with pytest.raises(BookError) as raised:
        gather(root, {ONE: lesson()}, needed={"docs/lonely.md": ""})
    said = str(raised.value).splitlines()
    assert len(said) == 5
    assert said[0] == "docs/index.md: expected a file where its link leads; found none at docs/gone.md"
    assert said[3] == "docs/lonely.md: expected a link to it from a page of the book; found none"


def test_a_small_book_is_built_with_outputs_and_files(tmp_path: Path) -> None:
    root, lessons = whole(tmp_path / "repository")
    door = book.html(root, lessons, {}, tmp_path / "book")
    site = door.parent
    assert 'url=docs/index.html"' in door.read_text()
    assert "하나" in (site / "notebooks/01-one/01-one.html").read_text("utf-8").partition("cell_output")[2]
    assert "print" in (site / "run.py.html").read_text("utf-8")
    assert list(site.glob("_downloads/*/figures.json"))


def test_a_book_replaces_a_former_one_and_nothing_else(tmp_path: Path) -> None:
    root, lessons = whole(tmp_path / "repository")
    (tmp_path / "mine/html").mkdir(parents=True)
    (tmp_path / "mine/html/old.html").write_text("old")
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(BookError, match=r"found .*mine with notes\.txt"):
        book.html(root, lessons, {}, tmp_path / "mine")
    assert (tmp_path / "mine/html/old.html").exists()
    (tmp_path / "mine/notes.txt").unlink()
    for _ in range(2):  # over what it left itself, too
        assert book.html(root, lessons, {}, tmp_path / "mine").is_file()
    assert not (tmp_path / "mine/html/old.html").exists()


def test_a_second_book_waits_for_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, lessons = whole(tmp_path / "repository")
    output = tmp_path / "book"
    first = output / "source" / "first.md"
    first.parent.mkdir(parents=True)
    first.write_text("being written")
    lock = os.open(output, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with ThreadPoolExecutor() as pool:
        second = pool.submit(book.html, root, lessons, {}, output)
        said, deadline = "", time.monotonic() + 60
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)
            said = capsys.readouterr().err
        untouched = first.exists()
        os.close(lock)
        assert (said, untouched) == (f"book: waiting for another book that is being built in {output}\n", True)
        assert second.result().is_file()
    assert not first.exists()


def test_a_book_wants_a_folder(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("mine")
    with pytest.raises(BookError, match=r"expected a folder to build in; found the file .*notes\.md"):
        book.build(tmp_path / "notes.md")


def test_a_warning_of_sphinx_ends_the_build(tmp_path: Path) -> None:
    root = repository(tmp_path / "repository", **{"docs/index.md": "# First\n\n[a](#nowhere)\n"})
    with pytest.raises(BookError, match=r"docs/index\.md:3: .*nowhere"):
        book.html(root, {}, {}, tmp_path / "book")
