"""Pages of the built book as a test reads them: their anchors, links, and everything that a browser would load."""

import re
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser loads by itself when it shows the page; a link of <a> is followed by people alone.
LOADED = {
    "script": {"src"}, "img": {"src", "srcset"}, "link": {"href"}, "source": {"src", "srcset"}, "iframe": {"src"},
    "embed": {"src"}, "object": {"data"}, "video": {"src", "poster"}, "audio": {"src"}, "image": {"href", "xlink:href"},
    "use": {"href", "xlink:href"}, "input": {"src"}, "track": {"src"},
}  # fmt: skip
IN_CSS = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


@dataclass
class Page(HTMLParser):
    """One page: what its elements say."""

    file: Path
    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    in_article: list[str] = field(default_factory=list)  # the links that stand in the page's own text
    loads: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    folds: int = 0
    depth: int = 0  # of <article>
    style: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what matters of an element."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        self.classes += values.get("class", "").split()
        self.depth += tag == "article"
        self.folds += tag == "details" and bool(self.depth)
        self.style = tag == "style"
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
            self.in_article += [values["href"]] * bool(self.depth)
        if tag == "img":
            self.pictures.append(values.get("src", ""))
        if tag == "meta" and values.get("http-equiv", "").lower() == "refresh":
            self.links.append(values["content"].partition("url=")[2])
        self.loads += [values[name] for name in LOADED.get(tag, set()) if name in values]
        self.loads += from_css(values.get("style", ""))

    def handle_endtag(self, tag: str) -> None:
        """Leave an article or a style."""
        self.depth -= tag == "article"
        self.style = False

    def handle_data(self, data: str) -> None:
        """A style element's text loads things, too."""
        if self.style:
            self.loads += from_css(data)


@cache
def read(file: Path) -> Page:
    """The page in a file, parsed once."""
    return Page(file)


def from_css(text: str) -> list[str]:
    """What a style sheet loads."""
    return [first or second for first, second in IN_CSS.findall(text)]


def outside(address: str) -> bool:
    """Whether an address leads to another host: it has one, or a scheme that is asked of a network."""
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in {"http", "https", "ws", "wss", "ftp"}


def target(page: Path, address: str) -> tuple[Path, str]:
    """The file and the anchor that a relative address of a page names."""
    parts = urlsplit(address)
    return (page.parent / unquote(parts.path)).resolve() if parts.path else page, unquote(parts.fragment)
