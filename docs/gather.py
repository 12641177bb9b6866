"""What the book is made of: every page that can be reached from the first one by links, at the place it has here.

The table of contents is made of the same links. A page that the first one links to stands below the heading of that
link; any other below its folder's own page (README.md, or the lesson), or else below the first page that leads to it.
So there is no list of pages to keep, and a page that no other leads to is an error.
"""

import posixpath
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from notebooks.course.links import followed
from servelab.errors import ServelabError

FIRST = "docs/index.md"
# Files that are shown as a page of their own; others that are linked, data above all, are there to be downloaded.
SHOWN = {".py": "python", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".sh": "bash", ".in": "text"}
NAMED = {"Dockerfile": "dockerfile", "Makefile": "make", "LICENSE": "text"}
CONTENTS = "contents.md"  # the page of a folder that has none

Content = str | NotebookNode


class BookError(ServelabError):
    """The book cannot be made; the message says every reason, and the page that it is in."""


@dataclass
class Book:
    """The pages found so far, by their path from the repository's root: those nearest to the first page first."""

    root: Path
    lessons: Mapping[str, NotebookNode]  # executed, by the path of the lesson's notebook
    pages: dict[str, Content] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)  # in the table of contents; the first page has none
    sections: dict[str, str] = field(default_factory=dict)  # of the first page: where it links to a page
    files: set[str] = field(default_factory=set)  # copied as they are: pictures, data
    problems: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write every page and file below ``folder``, at the same places."""
        for path, content in self.pages.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                target.write_text(f"{content}\n{self.contents(path)}", "utf-8")
            else:
                content.cells.append(nbformat.v4.new_markdown_cell(self.contents(path)))
                nbformat.write(content, target)
        for path in self.files:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes((self.root / path).read_bytes())

    def contents(self, page: str) -> str:
        """Hidden tables of contents, of which Sphinx makes the sidebar: one, or on the first page one for a section."""
        below: dict[str, list[str]] = {}
        for path, parent in self.parents.items():
            if parent == page:
                below.setdefault(self.sections.get(path, ""), []).append(self._entry(path, page))
        return "\n".join(_toctree(*each) for each in below.items())

    def _entry(self, path: str, parent: str) -> str:
        """A line of a table of contents; a page that has its parent's title goes by the name of its file."""
        place = f"/{path.rpartition('.')[0]}"
        same = _title(self.pages[path]) == _title(self.pages[parent])
        return f"{posixpath.basename(place)} <{place}>" if same else place


def gather(root: Path, lessons: Mapping[str, NotebookNode], needed: Mapping[str, str]) -> Book:
    """Everything that ``docs/index.md`` leads to.

    ``needed`` are pages that the book must hold, with the page below which each stands, empty where links and folders
    decide. Raises BookError for links that lead nowhere, and for needed pages and lessons that no page leads to.
    """
    book = Book(root, lessons)
    waiting = deque([FIRST])
    while waiting:
        path = waiting.popleft()
        links: list[str] = []
        book.pages[path] = _linked(_content(book, path), partial(_follow, book, path, links))
        new = [link for link in dict.fromkeys(links) if link != FIRST and link not in book.parents]
        book.parents |= dict.fromkeys(new, path)
        waiting += new
    missing = sorted({*needed, *lessons} - book.pages.keys())
    book.problems += [f"{path}: expected a link to it from a page of the book; found none" for path in missing]
    if book.problems:
        raise BookError("\n".join(book.problems))
    for path in book.parents.keys() - book.sections.keys():
        book.parents[path] = needed.get(path) or _parent(book, path)
    return book


def _follow(book: Book, path: str, links: list[str], target: str, section: str) -> str:
    """Where a page's link leads in the book, relative to that page; a page that it leads to joins ``links``."""
    place = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    found = _page(book, place)
    if found is None:
        book.problems.append(f"{path}: expected a file where its link leads; found none at {place}")
        return target
    if not _is_page(found):
        book.files.add(found)
    else:
        links.append(found)
        if path == FIRST and found != FIRST:
            book.sections.setdefault(found, section)
    return posixpath.relpath(found, posixpath.dirname(path))


def _parent(book: Book, path: str) -> str:
    """The page of its folder, or of the next one up; the first page that leads to it where that would be a circle."""
    folder = posixpath.dirname(path)
    while folder:
        own = _page(book, folder)
        if own in book.pages and own != path and path not in _above(book, own):
            return own
        folder = posixpath.dirname(folder)
    return book.parents[path]


def _above(book: Book, path: str) -> list[str]:
    above = []
    while path in book.parents:
        path = book.parents[path]
        above.append(path)
    return above


def _is_page(path: str) -> bool:
    return path.endswith((".md", ".ipynb"))


def _page(book: Book, path: str) -> str | None:
    """What stands in the book for a path: a page, a file as it is, or None where there is nothing."""
    here = book.root / path
    if path in book.lessons:
        return path
    if path.startswith("..") or not here.exists() or here.suffix == ".ipynb":
        return None
    if here.is_dir():
        if f"{path}/{here.name}.ipynb" in book.lessons:
            return f"{path}/{here.name}.ipynb"
        return f"{path}/README.md" if (here / "README.md").exists() else f"{path}/{CONTENTS}"
    return f"{path}.md" if here.suffix in SHOWN or here.name in NAMED else path


def _content(book: Book, path: str) -> Content:
    here = book.root / path
    if path in book.lessons:
        return book.lessons[path]
    if here.exists():
        return here.read_text("utf-8")
    if here.name == CONTENTS:
        names = sorted(each.name for each in here.parent.iterdir() if not each.name.startswith((".", "__")))
        return "\n".join([f"# `{posixpath.dirname(path)}`\n", *(f"- [`{name}`]({name})" for name in names)])
    file = here.with_suffix("")
    fence = "`" * 6
    language = SHOWN.get(file.suffix) or NAMED[file.name]
    return f"# `{path.removesuffix('.md')}`\n\n{fence}{language}\n{file.read_text('utf-8').rstrip()}\n{fence}\n"


def _linked(content: Content, follow: Callable[[str, str], str]) -> Content:
    if isinstance(content, str):
        return followed(content, follow)
    for cell in content.cells:
        if cell.cell_type == "markdown":
            cell.source = followed(cell.source, follow)
    return content


def _title(content: Content) -> str:
    text = content if isinstance(content, str) else content.cells[0].source
    return next((line for line in text.splitlines() if line.startswith("# ")), "")


def _toctree(caption: str, paths: list[str]) -> str:
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["```{toctree}", *options, "", *paths, "```", ""])
