r"""The painter's page in a book of its own, and a browser to open it."""

# What needs playwright is imported by the fixtures: other tests of this folder run without it.
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from support.chapters import ROOT

CONTENTS = "{format: jb-book, root: book/pages/paint, chapters: [{file: notebooks/00_quickstart}]}"
GRAPHICS = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")  # computed in software
THEMES_OWN = "THEBE_JS_URL"  # the theme declares it twice on every page


@pytest.fixture(scope="session")
def painters_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    r"""The painter's page, built with the book's settings."""
    from book.tools import paint_assets

    assert paint_assets.prepare(), "onnxruntime-web could not be fetched: see the output above"
    folder = tmp_path_factory.mktemp("book")
    settings = yaml.safe_load((ROOT / "_config.yml").read_text())
    settings["execute"]["execute_notebooks"] = "off"
    extensions = settings["sphinx"]["local_extensions"]
    settings["sphinx"]["local_extensions"] = dict.fromkeys(extensions, str(ROOT))
    (folder / "_config.yml").write_text(yaml.safe_dump(settings))
    (folder / "_toc.yml").write_text(CONTENTS)
    command = [Path(sys.executable).with_name("jupyter-book"), "build", ROOT]
    command += ["--path-output", folder]
    command += ["--config", folder / "_config.yml", "--toc", folder / "_toc.yml"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder / "_build" / "html"


@pytest.fixture(scope="module")
def painters_server(painters_book: Path) -> Iterator:
    r"""Serves that book, and notes what it is asked for."""
    from support.browser import served

    with served(painters_book) as running:
        yield running


@pytest.fixture(scope="module")
def painters_browser() -> Iterator:
    r"""A running Chromium."""
    from support.browser import headless

    with headless(*GRAPHICS) as running:
        yield running


@pytest.fixture
def visit(painters_browser, painters_server) -> Iterator[Callable]:
    r"""Opens the painter; in the end no script has failed, and nothing was asked of other hosts.

    Without ``network`` it never comes, and one paints all the same: much quicker.
    """
    from support.painting import LISTEN, PAGE, settle

    pages, troubles, strangers = [], [], []

    def note(request) -> None:
        own = request.url.startswith((painters_server.address, "data:", "blob:"))
        if not own:
            strangers.append(request.url)

    def opened(
        fragment: str = "",
        *,
        place: str = PAGE,
        wait: bool = True,
        network: bool = True,
        script: str = "",
        **options,
    ):
        settings = {"viewport": {"width": 1200, "height": 900}} | options
        page = painters_browser.new_context(**settings).new_page()
        pages.append(page)
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.context.on("request", note)
        page.add_init_script(LISTEN + script)
        if not network:
            page.route("**/*.onnx", lambda route: None)
        page.goto(f"{painters_server.address}{place}{fragment}")
        if not network:
            page.wait_for_selector("[data-picture=final][aria-busy]")
        elif wait:
            settle(page)
        return page

    yield opened
    for page in pages:
        page.context.close()
    assert [trouble for trouble in troubles if THEMES_OWN not in trouble] == []
    assert strangers == []
