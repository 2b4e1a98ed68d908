r"""The built book: it builds without a warning, and its links, pictures and buttons hold."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup

import repository
from chapters import PATHS, ROOT

HTML = ROOT / "_build" / "html"
LARGEST_PAGE = 3e6


@pytest.fixture(scope="module", autouse=True)
def book() -> Path:
    r"""The book as `make book` builds it; what a chapter showed may come from its cache."""
    command = [sys.executable, ROOT / "book" / "build.py"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
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
    there += [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "book").glob("*.md")]
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


def test_pages_are_light() -> None:
    for source in chapter_pages():
        sources = {image["src"] for image in page(source).select("article img")}
        images = {image for image in sources if not urlsplit(image).scheme}  # data: is in the page
        weight = source.stat().st_size
        weight += sum((source.parent / unquote(image)).stat().st_size for image in images)
        assert weight <= LARGEST_PAGE, f"{source.name} weighs {weight / 1e6:.1f} MB"
