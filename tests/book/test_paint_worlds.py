r"""The painter: a city from above, label files as the package reads them, keys, and any screen."""

from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("playwright", reason="the painter's tests need playwright: pip install .[test]")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from book.tools import paint_worlds
from ecgan.data import toy
from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.labels import read_labels
from ecgan.data.folders.numbering import PLAIN
from ecgan.method.layouts import IGNORE
from support.painting import (
    CITY,
    STREET,
    choose,
    expect_pytorchs_pictures,
    layout,
    models,
    offered,
    press,
    settle,
    stroke,
)

FOCUSED = "document.activeElement === document.body ? null : document.activeElement.outerHTML"
# Buttons and labels whose boxes lie over each other, and those that leave the window.
CROWDED = """() => {
  const parts = [...document.querySelectorAll(".painter :is(button, fieldset label, figcaption)")]
    .filter((part) => part.checkVisibility());
  const boxes = parts.map((part) => part.getBoundingClientRect());
  const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  const told = (part) => part.textContent.trim().slice(0, 30);
  const wide = parts.filter((part, i) => boxes[i].right > innerWidth || part.scrollWidth
    > part.clientWidth + 1);
  const pairs = parts.flatMap((part, i) => parts.slice(i + 1)
    .filter((other, j) => !part.contains(other) && over(boxes[i], boxes[i + 1 + j]))
    .map((other) => `${told(part)} / ${told(other)}`));
  return [...wide.map(told), ...pairs];
}"""
IN_VIEW = """place => {
  const { top, bottom, left, right } = document.querySelector(place).getBoundingClientRect();
  return top >= 0 && left >= 0 && bottom <= innerHeight && right <= innerWidth;
}"""


def test_a_painted_city_is_pytorchs(visit) -> None:
    page = visit("#world=city")
    np.testing.assert_array_equal(layout(page, CITY), offered(0, CITY))
    assert page.locator("[data-scene]").count() == 12
    choose(page, "kind", CITY.classes.index("building"))
    choose(page, "size", 25)
    stroke(page, (20, 20), (60, 30), world=CITY)
    painted = layout(page, CITY)
    assert painted[20, 20] == painted[30, 60] == 0
    expect_pytorchs_pictures(page, models(CITY)[0], CITY)
    assert page.locator(".painter-gates output").count() == 5
    choose(page, "tool", "erase")
    stroke(page, (40, 25), world=CITY)
    assert layout(page, CITY)[25, 40] == CITY.classes.index("land")
    press(page, "Clear")
    assert (layout(page, CITY) == CITY.classes.index("land")).all()
    press(page, "Undo")
    press(page, "Undo")
    np.testing.assert_array_equal(layout(page, CITY), painted)


def test_parts_are_switched_off_in_the_city_too(visit) -> None:
    packed = paint_worlds.pack(torch.from_numpy(offered(2, CITY)))
    page = visit(f"#world=city&layout=128x128.{packed}&gates=off")
    np.testing.assert_array_equal(layout(page, CITY), offered(2, CITY))
    assert page.locator(".painter-gates output").all_inner_texts() == ["0.50"] * 5
    expect(page.locator('[data-say="change"]')).to_contain_text("Against the whole network")


def test_worlds_are_switched_kept_and_gone_back_to(painters_server, visit) -> None:
    page = visit()
    choose(page, "kind", STREET.classes.index("car"))
    stroke(page, (10, 50), (30, 55))
    street = layout(page)
    page.wait_for_function("location.hash.startsWith('#layout=128x128')")
    settle(page)
    choose(page, "world", "city")
    page.wait_for_function("document.querySelectorAll('.painter-kind input').length === 5")
    settle(page)
    page.wait_for_function("location.hash.startsWith('#world=city&layout=128x128.')")
    expect(page.locator(".painter-message")).to_contain_text("Runs in your browser")
    np.testing.assert_array_equal(layout(page, CITY), offered(0, CITY))
    stroke(page, (64, 64), (70, 80), world=CITY)
    city = layout(page, CITY)
    page.go_back()
    page.wait_for_function("document.querySelectorAll('.painter-kind input').length === 9")
    settle(page)
    np.testing.assert_array_equal(layout(page), street)
    assert page.locator('input[name="painter-world"][value="street"]').is_checked()
    choose(page, "world", "city")
    settle(page)
    np.testing.assert_array_equal(layout(page, CITY), city, "as it was left")
    assert "painter-world" in page.evaluate(FOCUSED)
    expect_pytorchs_pictures(page, models(CITY)[0], CITY)


def test_a_link_to_no_class_of_the_city_is_told(visit) -> None:
    def linked(kind: int) -> str:
        return f"#world=city&layout=128x128.{paint_worlds.pack(torch.full((128, 128), kind))}"

    page = visit(linked(5))
    expect(page.locator(".painter-message")).to_contain_text(
        "This link holds class 5; there are 0 to 4. Here is another plan instead."
    )
    page.evaluate("fragment => { location.hash = fragment; }", linked(IGNORE))
    expect(page.locator(".painter-message")).to_have_text("Runs in your browser, by WebAssembly.")
    assert (layout(page, CITY) == IGNORE).all()
    expect_pytorchs_pictures(page, models(CITY)[0], CITY)


def test_a_world_that_cannot_be_had_leaves_the_other(visit) -> None:
    page = visit()
    page.route("**/city.onnx", lambda route: route.fulfill(status=404))
    choose(page, "world", "city")
    message = page.locator(".painter-message")
    expect(message).to_contain_text("The download failed (city.onnx: status 404)", timeout=60_000)
    expect(page.locator(".painter figure img")).to_be_visible()
    choose(page, "world", "street")
    expect(message).to_have_text("Runs in your browser, by WebAssembly.", timeout=60_000)
    expect(page.locator(".painter figure img")).to_have_count(0)
    np.testing.assert_array_equal(layout(page), offered(0))


def ids(low: int = 0, high: int = 8, *, size: int = 128) -> np.ndarray:
    r"""Stripes of ids, each a few rows, and a corner, so that a turned picture is another."""
    rows = np.linspace(low, high, size).round().astype(np.uint8)
    made = np.stack([rows] * size, axis=1)
    made[:10, :20] = high
    return made


def palette_of(values: np.ndarray, colours: np.ndarray = toy.PALETTE) -> Image.Image:
    image = Image.fromarray(values, mode="P")
    image.putpalette(colours.tobytes())
    return image


def png(image: Image.Image, **options) -> bytes:
    file = BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def asking_to_be_turned(image: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return png(image, exif=exif)


def sixteen_bits(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.astype(np.uint16))


GREY = Image.fromarray(ids())
READ = {
    "grey": png(GREY),
    "palette": png(palette_of(ids())),
    "palette of other colours": png(palette_of(ids(), toy.PALETTE[::-1].copy())),
    "palette of four bits": png(palette_of(ids()), bits=4),
    "palette of one bit": png(palette_of(ids(0, 1)), bits=1),
    "one bit": png(Image.fromarray(ids(0, 1) > 0)),
    "sixteen bits": png(sixteen_bits(ids())),
    **{f"turned {way}": asking_to_be_turned(GREY, way) for way in range(2, 9)},
}


def open_file(page: Page, name: str, content: bytes) -> str:
    page.locator('[data-say="file"]').evaluate("place => { place.textContent = ''; }")
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": content}
    )
    said = page.locator('[data-say="file"]')
    expect(said).not_to_be_empty()
    return said.inner_text()


def test_label_files_are_read_as_the_package_reads_them(visit, tmp_path: Path) -> None:
    page = visit(network=False)
    for name, content in READ.items():
        press(page, "Clear")
        said = open_file(page, f"{name}.png", content)
        assert said.startswith(f"Opened {name}.png: sky, "), said
        assert ("other colours" in said) == ("other colours" in name), said
        path = tmp_path / f"{name}.png"
        path.write_bytes(content)
        expected = read_labels(path, numbering=PLAIN, model=STREET.model)
        np.testing.assert_array_equal(layout(page), expected, name)
    press(page, "Undo")
    assert (layout(page) == 0).all(), "what was opened can be undone"


def test_what_a_filter_or_interlacing_makes_of_a_file_is_undone(visit) -> None:
    r"""Pillow writes neither Adam7 nor a chosen filter: the files are packed here by hand."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checked)

    def filtered(rows: np.ndarray, way: int) -> bytes:
        packed, above = b"", np.zeros(rows.shape[1], int)
        for row in rows.astype(int):
            left, corner = np.r_[0, row[:-1]], np.r_[0, above[:-1]]
            guess = left + above - corner
            far = np.abs(np.stack([guess - left, guess - above, guess - corner]))
            paeth = np.choose(far.argmin(0), [left, above, corner])
            taken = [0 * row, left, above, (left + above) // 2, paeth][way]
            packed += bytes([way]) + ((row - taken) % 256).astype(np.uint8).tobytes()
            above = row
        return packed

    def file(values: np.ndarray, way: int, *, interlaced: bool) -> bytes:
        height, width = values.shape
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                  (1, 0, 2, 2), (0, 1, 1, 2)] if interlaced else [(0, 0, 1, 1)]  # fmt: skip
        data = b"".join(filtered(values[y::down, x::across], way) for x, y, across, down in passes)
        header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, interlaced)
        parts = [(b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
        return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)

    page = visit(network=False)
    noise = np.random.default_rng(0).integers(0, 9, (128, 128)).astype(np.uint8)
    for interlaced in (False, True):
        for way in range(5):
            content = file(noise, way, interlaced=interlaced)
            np.testing.assert_array_equal(np.array(Image.open(BytesIO(content))), noise)
            press(page, "Clear")
            open_file(page, "noise.png", content)
            np.testing.assert_array_equal(layout(page), noise, f"filter {way}, {interlaced}")


def test_files_that_are_no_layout_are_named_as_the_package_names_them(
    visit, tmp_path: Path
) -> None:
    jpeg = BytesIO()
    GREY.save(jpeg, "JPEG")
    wrong = {
        "numbered.png": png(Image.fromarray(ids(1, 12))),
        "ignored.png": png(Image.fromarray(np.where(ids() == 8, IGNORE, ids()).astype(np.uint8))),
        "wide.png": png(Image.fromarray(ids() * 17)),  # what grey of four bits is widened to
        "deep.png": png(sixteen_bits(ids().astype(int) * 300)),
        "photo.png": png(Image.fromarray(ids() * 9).convert("RGB")),
        "lossy.jpg": jpeg.getvalue(),
        "empty.png": b"",
        "pointer.png": b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
        "page.png": b"<!doctype html>",
        "cut.png": READ["grey"][:-30],
    }  # fmt: skip
    page = visit(network=False)
    press(page, "Clear")
    for name, content in wrong.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(FolderError) as met:
            read_labels(path, numbering=PLAIN, model=STREET.model)
        said = open_file(page, name, content)
        assert said.startswith("Not opened: "), said
        # The sentence up to the reader's advice, which is another for who sits at a page.
        told = str(met.value).replace(str(path), name)
        facts = told.split("; ")[:2] if told.startswith("label") else [told.split(" (")[0]]
        for fact in (facts[0].split(":")[0], *facts[1:]):
            assert fact in said, (said, told)
    assert (layout(page) == 0).all(), "nothing was repainted"


def test_another_size_is_named_and_not_opened(visit) -> None:
    page = visit(network=False)
    said = open_file(page, "large.png", png(Image.fromarray(ids(size=256))))
    assert "large.png is 256 x 256 pixels (width x height), a street in this page 128 x 128" in said
    np.testing.assert_array_equal(layout(page), offered(0))


@pytest.mark.parametrize("whose", ["colours", "published"])
def test_colours_are_read_where_they_are_the_worlds_own_or_its_data_sets(visit, whose) -> None:
    page = visit("#world=city", network=False)
    colours = np.array(getattr(CITY, whose), np.uint8)
    plan = ids(0, 4, size=128)
    shown = colours[plan]
    shown[:5, 30:40] = 0  # black
    said = open_file(page, "mask.png", png(Image.fromarray(shown)))
    assert said == "Opened mask.png: building, land, road, vegetation, water."
    expected = plan.copy()
    expected[:5, 30:40] = IGNORE
    np.testing.assert_array_equal(layout(page, CITY), expected)
    shown[7, 9] = (1, 2, 3)
    said = open_file(page, "mended.png", png(Image.fromarray(shown)))
    assert "colour (1, 2, 3) in mended.png is not one of the palette's 5" in said
    np.testing.assert_array_equal(layout(page, CITY), expected)


def test_a_saved_layout_is_a_label_file(visit, tmp_path: Path) -> None:
    packed = paint_worlds.pack(torch.from_numpy(offered(1, CITY)).index_fill(
        0, torch.arange(9), IGNORE
    ))  # fmt: skip
    page = visit(f"#world=city&layout=128x128.{packed}", network=False)
    with page.expect_download() as download:
        page.locator('[data-save="layout"]').click()
    file = tmp_path / download.value.suggested_filename
    assert file.name == "city_layout.png"
    download.value.save_as(file)
    read = read_labels(file, numbering=PLAIN, model=CITY.model)
    np.testing.assert_array_equal(read, layout(page, CITY))
    assert (read[:9] == IGNORE).all()
    press(page, "Clear")
    open_file(page, "again.png", file.read_bytes())
    np.testing.assert_array_equal(layout(page, CITY), read)


def test_keys_work_without_a_click_and_not_where_one_types(visit) -> None:
    page = visit(network=False)

    def kind() -> str:
        return page.locator('input[name="painter-kind"]:checked').get_attribute("value")

    assert page.evaluate(FOCUSED) is None
    page.keyboard.press("9")
    assert kind() == "8"
    page.keyboard.press("f")
    assert page.locator('input[value="fill"]').is_checked()
    page.evaluate(
        """() => document.querySelector("article").prepend(document.createElement("textarea"))"""
    )
    page.locator("article textarea").type("3f")
    assert kind() == "8"
    page.locator("article textarea").evaluate("field => field.blur()")
    keys = page.locator("[name=keys]")
    keys.uncheck()
    keys.evaluate("field => field.blur()")
    page.keyboard.press("2")
    assert kind() == "8", "switched off"
    page.locator(".painter-board canvas").focus()
    page.keyboard.press("2")
    assert kind() == "1", "on the board they always work"


def test_the_focus_is_never_lost(visit) -> None:
    page = visit(network=False)
    stroke(page, (20, 20), (30, 20))
    for name in ("Undo", "Redo"):
        page.get_by_role("button", name=name, exact=True).focus()
        page.keyboard.press("Enter")
        assert f'data-do="{name.lower()}"' in page.evaluate(FOCUSED)
        page.keyboard.press("Enter")  # there is no more to undo
        assert f'data-do="{name.lower()}"' in page.evaluate(FOCUSED)


def test_a_circle_that_is_told_is_seen(visit) -> None:
    r"""A person as large as the picture: nobody reads one there."""
    page = visit(f"#layout=128x128.{paint_worlds.pack(torch.full((128, 128), 8))}")
    said = page.locator('[data-say="objects"]')
    expect(said).to_contain_text("(circled)")
    circles = page.locator(".painter-picture circle")
    assert circles.count() >= 1
    for circle in circles.all():
        x, y, r = (float(circle.get_attribute(name)) for name in ("cx", "cy", "r"))
        assert r <= min(x, y, 128 - x, 128 - y)
    page.locator('input[name="circles"]').uncheck()
    expect(said).not_to_contain_text("(circled)")
    assert circles.count() == 0


@pytest.mark.parametrize(
    ("width", "height"), [(1280, 900), (390, 844), (360, 740)], ids=lambda size: str(size)
)
@pytest.mark.parametrize("world", [STREET, CITY], ids=["street", "city"])
def test_the_final_image_is_seen_while_one_paints(visit, world, width: int, height: int) -> None:
    page = visit(f"#world={world.name}", viewport={"width": width, "height": height}, network=False)
    if width < 700:  # a phone scrolls to the painter, and then no more
        page.locator('[data-picture="final"]').evaluate(
            "figure => scrollTo(0, scrollY + figure.getBoundingClientRect().top - 56)"
        )
    for place in (".painter-board canvas", '[data-picture="final"] canvas', ".painter-kind"):
        assert page.evaluate(IN_VIEW, place), place
    board = page.locator(".painter-board canvas").bounding_box()["width"]
    final = page.locator('[data-picture="final"] canvas').bounding_box()["width"]
    assert final >= (0.99 if width > 700 else 0.7) * board
    assert board >= 0.35 * width


@pytest.mark.parametrize("width", [320, 390, 800, 1280])
@pytest.mark.parametrize("world", [STREET, CITY], ids=["street", "city"])
def test_nothing_overlaps_or_leaves_the_page(visit, world, width: int) -> None:
    page = visit(f"#world={world.name}", viewport={"width": width, "height": 800}, network=False)
    assert page.evaluate(CROWDED) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_city_is_accessible(visit) -> None:
    page = visit("#world=city", network=False)
    for theme, width in (("light", 1280), ("dark", 390)):
        page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(500)
        found = Axe().run(page, context=".bd-article").response["violations"]
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        assert [(theme, v["id"], v["nodes"][0]["html"]) for v in serious] == []


def test_the_address_says_the_world_once(visit) -> None:
    page = visit("#world=city", network=False)
    stroke(page, (5, 5), (9, 9), world=CITY)
    page.wait_for_function("location.hash.includes('layout=')")
    again = visit("#" + urlsplit(page.url).fragment, network=False)
    np.testing.assert_array_equal(layout(again, CITY), layout(page, CITY))
    assert page.url.count("world=") == 1
