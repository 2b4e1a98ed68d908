r"""The built book: it builds without a warning, and its links, pictures and buttons hold."""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup
from PIL import Image

from book.extensions import facts
from book.tools import repository, slides
from support.browser import headless, served
from support.chapters import PATHS, ROOT
from support.visits import PHONE, Visit, unseen_focus, visit

HTML = ROOT / "_build" / "html"
LARGEST_PAGE = 3e6


@pytest.fixture(scope="module", autouse=True)
def book() -> Path:
    r"""The book as `make book` builds it; what a chapter showed may come from its cache."""
    command = [sys.executable, "-m", "book.tools.build"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, f"{built.stdout[-8000:]}\n{built.stderr[-8000:]}"
    return HTML


@cache
def page(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(), "html.parser")


@cache
def anchors(path: Path) -> frozenset[str]:
    return frozenset(tag["id"] for tag in page(path).find_all(id=True))


def pages() -> list[Path]:
    return sorted(path for path in HTML.rglob("*.html") if "_static" not in path.parts)


def chapter_pages() -> list[Path]:
    return [HTML / "notebooks" / f"{path.stem}.html" for path in PATHS]


def entries(part: dict | list) -> list[str]:
    r"""All the files that a table of contents names."""
    if isinstance(part, list):
        return [name for entry in part for name in entries(entry)]
    own = [part[key] for key in ("root", "file") if key in part]
    return own + [
        name for key in ("parts", "chapters", "sections") for name in entries(part.get(key, []))
    ]


def test_the_contents_name_every_chapter_and_page() -> None:
    listed = entries(yaml.safe_load((ROOT / "_toc.yml").read_text()))
    assert len(listed) == len(set(listed))
    there = [path.relative_to(ROOT).with_suffix("") for path in PATHS]
    there += [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "book").glob("*/*.md")]
    assert sorted(listed) == sorted(map(str, there))
    assert all((HTML / f"{name}.html").is_file() for name in listed)
    assert (HTML / "index.html").is_file()


def test_internal_links_and_their_anchors_lead_somewhere() -> None:
    broken = []
    for source in pages():
        for link in page(source).find_all("a", href=True):
            parts = urlsplit(link["href"])
            if parts.scheme or parts.netloc:
                continue
            target = source if not parts.path else (source.parent / unquote(parts.path)).resolve()
            if not target.is_file():
                broken.append(f"{source.relative_to(HTML)}: {link['href']}")
            elif parts.fragment and unquote(parts.fragment) not in anchors(target):
                broken.append(f"{source.relative_to(HTML)}: {link['href']} (no such anchor)")
    assert broken == []


def test_formulas_need_no_network() -> None:
    scripts = {
        source: [tag["src"] for tag in page(source).find_all("script", src=True)]
        for source in pages()
        if page(source).select("article .math")
    }
    assert len(scripts) > len(PATHS) / 2
    for source, listed in scripts.items():
        (own,) = [script for script in listed if "mathjax" in script.lower()]
        assert (source.parent / urlsplit(own).path).is_file(), f"{source.name}: {own}"


def test_links_to_the_outside_are_secure() -> None:
    for source in pages():
        for link in page(source).find_all("a", href=True):
            assert urlsplit(link["href"]).scheme in {"", "https", "mailto"}, link["href"]


def test_pictures_exist_and_say_what_is_seen() -> None:
    for source in pages():
        for image in page(source).find_all("img"):
            assert image.get("alt", "").strip(), f"{source.name}: {image}"
            if not urlsplit(image["src"]).scheme:
                assert (source.parent / unquote(image["src"])).is_file(), f"{source.name}: {image}"
        for image in page(source).select("article img"):
            words = image["alt"].split()
            assert len(words) >= 8, f"{source.name}: {image['alt']!r} says too little"
            assert not image["alt"].endswith((".png", ".svg"))


def test_each_chapter_shows_a_picture_made_in_this_run() -> None:
    for path in chapter_pages():
        assert page(path).select(".cell_output img"), f"{path.name} shows no picture"


def test_no_output_is_an_error_or_a_warning() -> None:
    for path in chapter_pages():
        for output in page(path).select(".cell_output"):
            assert "Traceback" not in output.get_text()
            assert "Warning" not in output.get_text()


def test_colab_buttons_point_at_files_that_exist() -> None:
    start = f"https://colab.research.google.com/github/{repository.current()}/blob/main/"
    for source, chapter in zip(chapter_pages(), PATHS, strict=True):
        links = {link["href"] for link in page(source).find_all("a", href=True)}
        buttons = {link for link in links if "colab.research.google.com" in link}
        assert buttons == {f"{start}notebooks/{chapter.name}"}
        assert len(page(source).select(f'.header-article-items a[href^="{start}"]')) == 1
        assert (ROOT / "notebooks" / chapter.name).is_file()


def test_each_chapter_can_be_downloaded_as_a_notebook() -> None:
    for source, chapter in zip(chapter_pages(), PATHS, strict=True):
        button = page(source).select_one(".header-article-items a.btn-download-source-button")
        notebook = source.parent / button["href"]
        assert notebook.name == chapter.name
        assert notebook.read_bytes() == chapter.read_bytes()


def test_the_status_page_names_every_chapter_and_version() -> None:
    shown = page(HTML / "book" / "pages" / "status.html").article.get_text()
    for path in PATHS:
        assert f"notebooks/{path.stem}" in shown
    assert "failed" not in shown
    assert len(re.findall(r"\bran\b", shown)) >= len(PATHS)
    assert facts.commit().replace("`", "") in " ".join(shown.split())


@pytest.fixture(scope="module")
def tabs() -> Iterator[tuple]:
    r"""A browser, and a server of the built book."""
    with served(HTML) as server, headless() as browser:
        yield browser, server


@pytest.fixture(scope="module")
def visits(tabs: tuple) -> dict[str, Visit]:
    r"""Every page once in a browser; index.html only leads to the first."""
    names = {path.relative_to(HTML).as_posix() for path in pages()} - {"index.html"}
    # With the laptop's sidebars.
    thorough = {"book/pages/intro.html", "notebooks/00_quickstart.html"}
    return {name: visit(*tabs, name, thorough=name in thorough) for name in sorted(names)}


def test_axe_finds_no_grave_fault(visits: dict[str, Visit]) -> None:
    found = {name: seen.faults for name, seen in visits.items() if seen.faults}
    assert found == {}


def test_no_page_scrolls_sideways_on_a_phone(visits: dict[str, Visit]) -> None:
    wide = {name: seen.width for name, seen in visits.items() if seen.width > PHONE["width"]}
    assert wide == {}


def test_no_code_output_or_table_is_cut_off(visits: dict[str, Visit]) -> None:
    assert {name: seen.cut for name, seen in visits.items() if seen.cut} == {}


def test_figures_are_numbered_in_reading_order() -> None:
    listed = entries(yaml.safe_load((ROOT / "_toc.yml").read_text()))
    numbers = []
    for name in listed:
        found = page(HTML / f"{name}.html").select("article figcaption .caption-number")
        numbers += [number.get_text().split()[1].split(".") for number in found]
    keys = [(place == "R", int(place.replace("R", "0")), int(number)) for place, number in numbers]
    assert keys == sorted(set(keys)), "each number once, and rising from page to page"
    assert {"0", "1"} <= {place for place, _ in numbers}


def test_scripts_declare_a_name_once() -> None:
    for source in pages():
        text = source.read_text()
        names = re.findall(r"<script>(?:const|let) (\w+)", text)
        assert len(names) == len(set(names)), f"{source.name}: {names}"


def test_pages_are_light(visits: dict[str, Visit]) -> None:
    heavy = {name: seen.weight for name, seen in visits.items() if seen.weight > LARGEST_PAGE}
    assert heavy == {}
    assert min(seen.weight for seen in visits.values()) > 1e5, "styles and scripts are counted"


def test_axe_and_the_tab_key_notice_faults(tabs: tuple) -> None:
    r"""A page with a grave fault of each kind, so that silence means something."""
    browser, server = tabs
    bad = server.folder / "bad.html"
    try:
        bad.write_text(
            "<html lang=en><title>bad</title><style>a:focus {outline: 0}</style><main><h1>Bad</h1>"
            "<p style='color: #ccc; background: #fff'>pale words</p><img src=x.png>"
            "<p style='width: 900px'>wide</p><article><pre style='width: 4em'>one long line</pre>"
            "<div><table style='width: 900px'><tr><td>a table</td></tr></table></div></article>"
            "<p><a href='#a'>a</a><a href='#b'>b</a></main>"
        )
        seen = visit(browser, server, bad.name)
        assert {fault.split()[1] for fault in seen.faults} >= {"color-contrast", "image-alt"}
        assert seen.width > PHONE["width"]
        assert any("phone, PRE: one long line" in box for box in seen.cut)
        assert any("laptop, PRE" in box for box in seen.cut)
        assert any("phone, TABLE: a table" in box for box in seen.cut)
        assert len(unseen_focus(browser, server, bad.name, presses=2)) == 4
    finally:
        bad.unlink()


@pytest.mark.parametrize("name", ["book/pages/intro.html", "notebooks/00_quickstart.html"])
def test_what_the_tab_key_reaches_is_seen(tabs: tuple, name: str) -> None:
    assert unseen_focus(*tabs, name, presses=40) == []


def test_slides_hold_each_figure_with_its_words(tabs: tuple, tmp_path: Path) -> None:
    made = slides.write(*tabs, tmp_path, only="03_spade")
    figures = slides.figures(page(HTML / "notebooks" / "03_spade.html"))
    assert made == len(figures) >= 3
    told = (tmp_path / "captions.md").read_text()
    for picture in tmp_path.glob("*.png"):
        with Image.open(picture) as slide:
            assert slide.size == (1920, 1080)
            assert len(slide.convert("RGB").getcolors(1 << 21)) > 100, "an empty slide"
        assert picture.name in told
    assert all(slides.words(figure)[1] in told for figure in figures)
