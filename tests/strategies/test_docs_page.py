"""The documentation page of a strategy is opened in a real browser that can reach no other host."""

import shutil
import subprocess
from pathlib import Path

import pytest

import servelab
from servelab import protocols
from servelab.strategy import discover

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# The page may talk to its own server and to nobody else: every other name fails to resolve.
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
         "--virtual-time-budget=15000")  # fmt: skip
DOCUMENTED = [(s.name, s.models[-1]) for s in discover().values() if s.docs]


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH; make doctor says how to get it")
@pytest.mark.parametrize(("name", "model"), DOCUMENTED)
def test_the_page_shows_the_routes_without_a_network(name: str, model: str, tmp_path: Path) -> None:
    with servelab.serve(name, model=model) as server:
        url = f"{server.url}{server.strategy.docs}"
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path}", "--dump-dom", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        timed = protocols.get(server.strategy.protocol).encode(server.model.golden().inputs[:1], server.model).path
    for route in (timed, *(route.route for route in server.strategy.also)):
        # As Swagger's pages have it, or in the line to paste of the graph runner's.
        shown = f'data-path="{route}"' in done.stdout or f"{route} -H" in done.stdout
        assert shown, f"{url} does not show {route}:\n{done.stdout[:3000]}"
