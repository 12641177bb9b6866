"""The book as it is built: every link, every picture, every lesson with its outputs, and nothing from another host."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from PIL import Image

from docs import book
from notebooks.course import learner, lesson as lessons, run
from servelab.paths import ROOT
from servelab.strategy import discover
from tests.docs.reading import from_css, outside, read, target

# Lessons that were not executed yet are executed for it.
pytestmark = pytest.mark.timeout(1800)

LESSONS = lessons.folders()
MADE = {"search.html", "genindex.html"}  # by Sphinx: no page of ours leads there
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND",
         "--virtual-time-budget=60000")  # fmt: skip
GUARD = """<meta http-equiv="Content-Security-Policy" content="default-src file: data: 'unsafe-inline' 'unsafe-eval'">
<script>addEventListener("securitypolicyviolation", (wanted) =>
  parent.postMessage(location.pathname.split("/").pop() + " " + wanted.blockedURI, "*"))</script>"""
LISTENER = """<meta charset="utf-8"><script>addEventListener("message", (told) => {
  const line = document.createElement("li"); line.textContent = told.data; document.querySelector("ul").append(line) })
</script>"""
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH; make doctor says how to get it")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book. The tests of lessons, beside these, execute what is not yet executed, too: from the other end."""
    for folder in reversed(LESSONS):
        run.ensure(lessons.load(folder))
    return book.build(tmp_path_factory.mktemp("book")).parent


@pytest.fixture(scope="module")
def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def page_of(site: Path, path: str) -> Path:
    return site / Path(path).with_suffix(".html")


def test_every_lesson_and_every_strategy_has_a_page(site: Path) -> None:
    expected = [f"notebooks/{folder.name}/{folder.name}.ipynb" for folder in LESSONS]
    expected += [f"strategies/{name}/README.md" for name in discover()]
    expected += [str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")]
    assert [path for path in expected if not page_of(site, path).is_file()] == []
    assert LESSONS


def test_every_link_and_anchor_leads_somewhere(pages: list[Path]) -> None:
    broken = []
    for page in pages:
        for link in (link for link in read(page).links if not urlsplit(link).scheme):
            file, anchor = target(page, link)
            if not file.is_file() or (anchor and file.suffix == ".html" and anchor not in read(file).anchors):
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_every_page_is_reached_from_the_first_by_the_text_of_pages(site: Path, pages: list[Path]) -> None:
    waiting = [target(site / "index.html", link)[0] for link in read(site / "index.html").links]
    reached = {site / "index.html", *waiting}
    while waiting:
        page = waiting.pop()
        links = [target(page, link)[0] for link in read(page).in_article if not urlsplit(link).scheme]
        new = {file for file in links if file.suffix == ".html"} - reached
        reached |= new
        waiting += new
    assert {page for page in pages if page.name not in MADE} - reached == set()


def test_nothing_is_loaded_from_another_host(site: Path, pages: list[Path]) -> None:
    loads = {f"{page.name}: {address}" for page in pages for address in read(page).loads if outside(address)}
    for sheet in site.rglob("*.css"):
        loads |= {f"{sheet.name}: {address}" for address in from_css(sheet.read_text("utf-8")) if outside(address)}
    assert loads == set()


def test_every_picture_is_there_and_shows_something(pages: list[Path]) -> None:
    files = {target(page, picture)[0] for page in pages for picture in read(page).pictures if picture[:5] != "data:"}
    assert len(files) >= len(list((ROOT / "docs/plots").glob("*.svg")))
    for file in files:
        if file.suffix == ".svg":
            drawn = [each.tag.rpartition("}")[2] for each in ElementTree.parse(file).iter()]  # noqa: S314 - our own
            assert {"path", "rect", "line", "circle", "use"} & set(drawn), f"{file} shows nothing"
        else:
            with Image.open(file) as picture:
                low, high = picture.convert("L").getextrema()
                assert low != high, f"{file} has one colour"


@pytest.mark.parametrize("folder", LESSONS, ids=lambda folder: folder.name[:2])
def test_a_lessons_page_holds_its_outputs_its_plots_and_its_hints(site: Path, folder: Path) -> None:
    lesson = lessons.load(folder)
    executed = nbformat.read(run.kept(lesson), as_version=4)
    page = read(page_of(site, str(lesson.notebook.relative_to(ROOT))))
    outputs = [cell.outputs for cell in executed.cells if cell.cell_type == "code" and cell.outputs]
    plots = [each for some in outputs for each in some if "image/svg+xml" in each.get("data", {})]
    assert page.classes.count("cell_output") == len(outputs) > 0
    assert len(page.pictures) >= len(plots)
    assert page.folds >= len(learner.hints(lesson))


def dom(page: Path, profile: Path, query: str = "") -> str:
    """The page as a browser has it in the end."""
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "--dump-dom", page.as_uri() + query]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=True).stdout


@pytest.mark.browser
@needs_chromium
def test_a_browser_asks_no_host_for_anything(site: Path, tmp_path: Path) -> None:
    """Every page in a frame of its own, told to load from files alone and to report whatever else it wants.

    The last frame wants a picture of another host, and fetches something: that it would be seen.
    """
    copy = Path(shutil.copytree(site, tmp_path / "site"))
    (copy / "spy.html").write_text(
        '<head><img src="http://a.invalid/b.png"><script>fetch("https://c.invalid")</script>'
    )
    frames = ""
    for file in sorted(copy.rglob("*.html")):
        file.write_text(file.read_text("utf-8").replace("<head>", f"<head>{GUARD}", 1), "utf-8")
        frames += f'<iframe src="{file.as_uri()}" onload="this.title = this.tagName"></iframe>\n'
    (tmp_path / "all.html").write_text(f"<!doctype html>{LISTENER}<body>{frames}<ul></ul>", "utf-8")
    shown = dom(tmp_path / "all.html", tmp_path / "profile")
    assert shown.count('title="IFRAME"') == frames.count("<iframe") > len(LESSONS)
    asked = re.findall(r"<li>([^<]+)</li>", shown)
    assert sorted(asked) == ["spy.html http://a.invalid/b.png", "spy.html https://c.invalid/"]


@pytest.mark.browser
@needs_chromium
def test_the_search_works_from_a_file(site: Path, tmp_path: Path) -> None:
    shown = dom(site / "search.html", tmp_path / "profile", query="?q=gunicorn")
    assert re.search(r'<a href="strategies/flask/README\.html[^"]*"', shown)
