r"""The painter: a street painted on by script in Chromium, its pictures held to PyTorch's."""

import base64
import json
import re
import runpy
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("playwright", reason="the painter's tests need playwright: pip install .[test]")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Route, expect

from book.tools import paint_assets, paint_worlds
from ecgan.data import toy
from ecgan.method.edge_transfer import AttentionGuidedEdgeTransfer
from ecgan.synthesis import synthesize, to_bytes
from ecgan.weights.checkpoint import shipped
from support.browser import Server
from support.chapters import ROOT
from support.painting import (
    CHAPTER,
    CITY,
    PAGE,
    PICTURES,
    STREET,
    TOLERANCE,
    board_box,
    choose,
    expect_pytorchs_pictures,
    layout,
    made,
    models,
    offered,
    pixels,
    press,
    settle,
    stroke,
)

LARGEST_NETWORK, LARGEST_PAGE = {"street": 6e6, "city": 12e6}, 5e5


def test_pictures_of_a_painted_street_are_pytorchs(visit) -> None:
    page = visit()
    start = layout(page)
    np.testing.assert_array_equal(start, offered(0))
    assert set(np.unique(start)) == set(range(len(STREET.classes))), "a start that has every class"
    expect(page.locator('[data-say="objects"]')).to_contain_text(": 1 came back")
    assert page.locator('[data-picture="first"] circle').count() == 1
    assert page.locator('[data-picture="final"] circle').count() == 0
    choose(page, "kind", toy.CLASSES.index("tree"))
    stroke(page, (16, 40), (40, 56), (60, 24))
    choose(page, "kind", toy.CLASSES.index("person"))
    choose(page, "size", 1)
    stroke(page, (100, 88), (100, 104))
    painted = layout(page)
    assert painted[40, 16] == painted[24, 60] == 4
    assert (painted[88:105, 100] == 8).all()
    assert (painted != start).sum() > 100
    expect_pytorchs_pictures(page, models()[0])
    final = synthesize(models()[0], torch.from_numpy(painted).long()).final[0]
    shown = pixels(page, '[data-picture="final"] canvas')
    assert np.abs(shown - to_bytes(final).astype(int)).max() <= 1


def test_a_switch_puts_one_half_in_the_place_of_a_gate(visit) -> None:
    class Even(AttentionGuidedEdgeTransfer):
        def forward(self, image, edge):
            return super().forward(image, 0 * edge)

    page = visit()
    chapters = page.locator(".painter-parts a").evaluate_all("links => links.map((a) => a.href)")
    names = [Path(urlsplit(link).path).stem for link in chapters]
    assert names == ["04_attention_transfer", "05_semantic_preserving"]
    assert all((ROOT / "notebooks" / f"{name}.ipynb").is_file() for name in names)
    said = page.locator('[data-say="change"]')
    expect(said).to_contain_text("Both parts are on")
    page.locator('input[name="gates"]').uncheck()
    settle(page)
    expect(said).to_contain_text(re.compile(r"the final image by \d+\.\d\."))
    page.locator('input[name="gates"]').check()
    page.locator('input[name="transfer"]').uncheck()
    settle(page)
    expect(said).to_contain_text(re.compile(r"the first image changes by [1-9]"))
    generator = shipped(STREET.generator)
    generator.image_generator.transfer = Even()
    expect_pytorchs_pictures(page, generator)
    page.locator('input[name="gates"]').uncheck()
    settle(page)
    generator.semantic_preserving.gate = lambda maps: torch.full(maps.shape[:2], 0.5)
    expect_pytorchs_pictures(page, generator)
    assert page.locator(".painter-gates output").all_inner_texts() == ["0.50"] * 9


def test_each_tool_does_what_it_says(visit) -> None:
    page = visit(network=False)
    start = layout(page)
    choose(page, "tool", "fill")
    choose(page, "kind", 3)
    stroke(page, (64, 120))
    filled = layout(page)
    assert filled[120, 64] == 3
    assert ((filled == start) | (start == 1)).all(), "only road was filled"
    choose(page, "tool", "erase")
    choose(page, "size", 9)
    stroke(page, (64, 120))
    erased = layout(page)
    assert erased[120, 64] == 0
    assert 55 <= (erased != filled).sum() <= 70, "a disc nine pixels across"
    press(page, "Undo")
    np.testing.assert_array_equal(layout(page), filled)
    press(page, "Undo")
    np.testing.assert_array_equal(layout(page), start)
    undo = page.get_by_role("button", name="Undo", exact=True)
    assert undo.get_attribute("aria-disabled") == "true"
    assert undo.evaluate("button => button === document.activeElement"), "the focus stays"
    press(page, "Redo")
    np.testing.assert_array_equal(layout(page), filled)
    press(page, "Clear")
    assert (layout(page) == 0).all()
    page.get_by_role("button", name="Street 5", exact=True).click()
    np.testing.assert_array_equal(layout(page), offered(4))
    assert page.locator("[data-scene]").count() == 12
    press(page, "Clear")
    empty = page.locator(".painter-board canvas").evaluate("canvas => canvas.toDataURL()")
    press(page, "Surprise me")
    page.wait_for_function(
        "empty => document.querySelector('.painter-board canvas').toDataURL() !== empty", arg=empty
    )
    scenes = [STREET.labels(number).numpy() for number in STREET.order]
    found = layout(page)
    assert any((found == scene).all() or (found == scene[:, ::-1]).all() for scene in scenes)


def test_the_keyboard_alone_suffices(visit) -> None:
    page = visit(network=False)
    board = page.locator(".painter-board canvas")
    for _ in range(80):
        page.keyboard.press("Tab")
        if board.evaluate("canvas => canvas === document.activeElement"):
            break
    press_keys = ["9", "[", "[", "Shift+ArrowLeft", "Shift+ArrowUp"]
    for key in press_keys:
        page.keyboard.press(key)
    before = layout(page)
    page.keyboard.down(" ")
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    page.keyboard.up(" ")
    painted = layout(page)
    assert (painted[56:63, 56] == 8).all()
    assert (painted != before).sum() <= 7, "a brush of one pixel"
    expect(page.locator(".painter-where")).to_have_text("column 57, row 63: person")
    page.keyboard.press("Control+z")
    np.testing.assert_array_equal(layout(page), before)
    page.keyboard.press("Control+y")
    np.testing.assert_array_equal(layout(page), painted)
    page.keyboard.press("1")
    page.keyboard.press("f")
    page.keyboard.press(" ")
    assert (layout(page) == 8).sum() == (before == 8).sum(), "filled with sky again"


def test_a_finger_paints_and_a_phone_has_room(visit) -> None:
    page = visit(
        viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True, network=False
    )
    choose(page, "kind", 6)
    box = board_box(page)
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    assert layout(page)[32, 64] == 6
    fingers = page.context.new_cdp_session(page)
    points = [{"x": box["x"] + 20, "y": box["y"] + 20 + move, "id": 0} for move in (0, 20)]
    second = {"x": box["x"] + 250, "y": box["y"] + 250, "id": 1}
    before = layout(page)
    for kind, touched in (
        ("touchStart", [points[0]]),
        ("touchStart", [points[0], second]),
        ("touchMove", [points[1], second | {"y": second["y"] - 90}]),
        ("touchEnd", []),
    ):
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})
    changed = layout(page) != before
    assert changed[:32, :32].any(), "the first finger draws"
    assert not changed[32:].any(), "a second finger is not followed"
    assert page.locator('[data-save="layout"]:visible').count() == 1
    assert box["width"] > 280
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_link_reproduces_street_and_switches(visit) -> None:
    page = visit(network=False)
    choose(page, "kind", 7)
    stroke(page, (10, 10), (40, 20))
    page.locator('input[name="gates"]').uncheck()
    page.wait_for_function("location.hash.endsWith('gates=off')")
    painted = layout(page)
    packed = re.search(r"layout=128x128\.([\w-]+)", page.url).group(1)
    raw = zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), wbits=-15)
    assert raw == painted.astype(np.uint8).tobytes()
    fragment = urlsplit(page.url).fragment
    page.get_by_role("link", name="Things to try").first.click()
    page.wait_for_function("location.hash === '#things-to-try'")
    np.testing.assert_array_equal(layout(page), painted, "a link within the page changes nothing")
    again = visit("#" + fragment, network=False)
    np.testing.assert_array_equal(layout(again), painted)
    assert not again.locator('input[name="gates"]').is_checked()
    assert again.locator('input[name="transfer"]').is_checked()


def test_a_wrong_link_gets_a_sentence_and_a_street(visit) -> None:
    wrong = {
        "#layout=128x128.AAAA": "This link is broken",
        "#layout=": "This link is broken",
        "#layout=128x96.AAAA": "a layout of 128 by 96 pixels; this network paints 128 by 128",
        f"#layout=128x128.{paint_worlds.pack(torch.full((128, 128), 12))}": "holds class 12",
        f"#layout=128x128.{paint_worlds.pack(torch.zeros(8, 8))}": "do not fill the layout",
        "#world=mars": 'names a world "mars"; there are street and city',
    }
    page = visit(next(iter(wrong)))
    for fragment, sentence in wrong.items():
        page.evaluate("fragment => { location.hash = fragment; }", fragment)
        expect(page.locator(".painter-message")).to_contain_text(sentence)
        np.testing.assert_array_equal(layout(page), offered(0))
        press(page, "Clear")
    right = paint_worlds.pack(torch.from_numpy(offered(3)))
    page.evaluate("fragment => { location.hash = fragment; }", f"#layout=128x128.{right}")
    expect(page.locator(".painter-message")).to_have_text("Runs in your browser, by WebAssembly.")
    np.testing.assert_array_equal(layout(page), offered(3))


def test_the_first_chapter_holds_a_small_painter_that_loads_when_asked(
    painters_server, visit
) -> None:
    painters_server.asked.clear()
    page = visit(place=CHAPTER, wait=False)
    expect(page.locator(".painter img")).to_be_visible()
    assert not [path for path in painters_server.asked if "/generated/" in path]
    press(page, "Paint here")
    settle(page)
    expect(page.locator(".painter img")).to_have_count(0)
    expect(page.locator('[data-say="objects"]')).to_contain_text("(circled): 1 came back.")
    choose(page, "kind", 6)
    stroke(page, (8, 8), (30, 20))
    expect_pytorchs_pictures(page, models()[0])
    assert urlsplit(page.url).fragment == ""


def test_saved_pictures_are_the_ones_shown_and_python_reads_the_layout(
    visit, tmp_path: Path, monkeypatch
) -> None:
    page = visit()
    monkeypatch.chdir(tmp_path)
    for name in ("layout", *PICTURES):
        with page.expect_download() as download:
            page.locator(f'[data-save="{name}"]:visible').click()
        assert download.value.suggested_filename == f"street_{name}.png"
        download.value.save_as(download.value.suggested_filename)
        saved = np.array(Image.open(f"street_{name}.png").convert("RGB"))
        frame = ".painter-board" if name == "layout" else f'[data-picture="{name}"]'
        np.testing.assert_array_equal(saved, pixels(page, f"{frame} canvas"))
    code = re.search(
        r"```python\n(.*?)```", (ROOT / "book" / "pages" / "paint.md").read_text(), re.DOTALL
    )
    Path("read.py").write_text(code.group(1))
    again = runpy.run_path("read.py")["made"].final[0].numpy()
    np.testing.assert_allclose(made(page)["final"], again, atol=TOLERANCE, rtol=0)


def test_small_objects_that_get_lost_are_circled(visit) -> None:
    r"""A single pixel of a person in a crown: no picture of this size can hold it."""
    crown = torch.full((128, 128), 4)
    crown[20, 40] = crown[100, 80] = 8
    page = visit(f"#layout=128x128.{paint_worlds.pack(crown)}")
    got = made(page)
    lost = {
        name: [(x, y) for y, x in ((20, 40), (100, 80)) if got[f"read_{name}"][y, x] != 8]
        for name in ("first", "final")
    }
    assert lost["first"], "choose another layout for this test"
    for name, places in lost.items():
        circles = page.locator(f'[data-picture="{name}"] circle')
        assert circles.count() == len(places)
        for circle, (x, y) in zip(circles.all(), places, strict=True):
            assert float(circle.get_attribute("cx")) == x + 0.5
            assert float(circle.get_attribute("cy")) == y + 0.5
    said = f"misses {len(lost['first'])} in the first image and {len(lost['final'])}"
    expect(page.locator('[data-say="objects"]')).to_contain_text(said)
    page.locator('input[name="circles"]').uncheck()
    expect(page.locator("[data-picture] circle")).to_have_count(0)


def test_the_newest_stroke_wins(visit) -> None:
    page = visit()
    before = page.evaluate("painted")
    strokes = 12
    for i in range(strokes):
        if i == 6:  # a part switched off costs a second run, but not before the pictures are seen
            page.locator('input[name="gates"]').uncheck()
        choose(page, "kind", i % 9)
        stroke(page, (4 + 4 * i, 8), (8 + 4 * i, 30))
    settle(page)
    page.locator('input[name="gates"]').check()
    expect_pytorchs_pictures(page, models()[0])
    # Of a stroke come six changes of the layout, and some more when a part is switched.
    assert page.evaluate("painted") - before < 6 * strokes, "pictures are skipped, not queued"


@pytest.mark.parametrize("world", [STREET, CITY], ids=["street", "city"])
def test_it_is_light_and_loads_one_world(painters_server: Server, visit, world) -> None:
    painters_server.asked.clear()
    page = visit(f"#world={world.name}")
    files = {painters_server.folder / path.lstrip("/") for path in painters_server.asked}
    sizes = {path: path.stat().st_size for path in files if path.is_file()}
    generated = painters_server.folder / "_static" / "paint" / "generated"
    networks = sum(sizes.pop(generated / name) for name in world.networks)
    runtime = sum(sizes.pop(generated / name, 0) for name in paint_assets.RUNTIMES["wasm"])
    assert networks <= LARGEST_NETWORK[world.name]
    told = page.locator("article").inner_text()
    assert f"{networks / 1e6:.0f} MB for the {world.name}" in told
    assert f"({runtime / 1e6:.0f} MB)" in told
    places = (painters_server.folder / "_static" / "paint", painters_server.folder / "_images")
    own = {
        path.name: size
        for path, size in sizes.items()
        if path.name == Path(PAGE).name or any(map(path.is_relative_to, places))
    }
    assert len(own) > 10
    assert f"{world.name}.json" in own
    assert sum(own.values()) <= LARGEST_PAGE, own
    other = {STREET: CITY, CITY: STREET}[world]
    assert not [name for name in own if name.startswith(other.name)]


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("delete window.WebAssembly;", "This browser has no WebAssembly"),
        ("delete window.DecompressionStream;", "This browser is too old"),
        ("window.Worker = class { constructor() { throw Error('no workers'); } };", "no workers"),
    ],
    ids=["no WebAssembly", "too old", "no workers"],
)
def test_a_browser_without_what_it_needs_is_told(visit, script: str, sentence: str) -> None:
    page = visit(wait=False, script=script)
    expect(page.locator(".painter-message")).to_contain_text(sentence)
    assert page.locator(".painter figure img").is_visible()


def test_a_book_without_the_runtime_says_how_to_get_it(visit) -> None:
    world = json.loads((paint_assets.GENERATED / "street.json").read_text()) | {"runtime": False}
    page = visit(wait=False)
    page.route("**/street.json", lambda route: route.fulfill(json=world))
    page.reload()
    expect(page.locator(".painter-message")).to_contain_text("make book adds it")
    assert page.locator(".painter figure img").is_visible()


@pytest.mark.parametrize(
    ("file", "answer", "sentence"),
    [
        ("street.onnx", {"status": 404}, "The download failed (street.onnx: status 404)"),
        ("*.wasm", {"status": 503}, "The download failed (ort-wasm-simd-threaded.wasm: status 503"),
        ("street.json", {"status": 404}, "The download failed (street.json: 404)"),
        ("street.onnx", {"body": b"no network"}, "The network does not run in this browser ("),
    ],
    ids=["no network", "no runtime", "no world", "a broken network"],
)
def test_a_failed_download_is_called_so(visit, file: str, answer: dict, sentence: str) -> None:
    page = visit(wait=False)
    page.route(f"**/{file}", lambda route: route.fulfill(**answer))
    page.reload()
    expect(page.locator(".painter-message")).to_contain_text(sentence, timeout=60_000)
    expect(page.locator(".painter figure img")).to_be_visible()


PROMISED = """Object.defineProperty(navigator, "gpu", {
  value: { requestAdapter: async () => ({ info: { isFallbackAdapter: false } }) },
});
WebAssembly.Suspending ??= class {};
"""


@pytest.mark.parametrize("driver", ["fails", "is wrong", "is lost"])
def test_where_webgpu_promises_more_than_it_does_webassembly_paints(
    painters_server, visit, driver: str
) -> None:
    world = json.loads((paint_assets.GENERATED / "street.json").read_text())
    worker = PROMISED + (painters_server.folder / "_static" / "paint" / "worker.js").read_text()
    if driver != "fails":
        world["runtime"]["webgpu"] = world["runtime"]["wasm"]
        worker = worker.replace("[provider] }", '["wasm"] }')
    if driver == "is wrong":
        world["proof"]["final"][-1] += 2 * TOLERANCE
    if driver == "is lost":  # after its proof
        worker = "let runs = 0;" + worker.replace(
            "const outputs =",
            'if (provider === "webgpu" && runs++ > 0) throw Error("lost"); const outputs =',
        )
    page = visit()
    page.route("**/street.json", lambda route: route.fulfill(json=world))
    page.route(
        "**/worker.js", lambda route: route.fulfill(body=worker, content_type="text/javascript")
    )
    painters_server.asked.clear()
    page.reload()
    settle(page)
    assert page.locator(".painter").get_attribute("data-provider") == "wasm"
    tried = sum(path.endswith("/street.onnx") for path in painters_server.asked)
    assert tried == 2
    expect_pytorchs_pictures(page, models()[0])


@pytest.mark.slow
def test_webgpu_makes_the_same_pictures(painters_server, visit, tmp_path: Path) -> None:
    r"""On a device in software, which the page itself passes over, as WebAssembly is faster.

    By the small networks of the street, as the large ones take minutes there.
    """
    small = replace(STREET, generator="toy", segmenter="toy_segmenter")
    paint_assets.export_networks(small, tmp_path)
    runtime = {"runtime": paint_assets.RUNTIMES, "megabytes": 1}
    (tmp_path / "street.json").write_text(json.dumps(paint_worlds.described(small) | runtime))
    worker = (painters_server.folder / "_static" / "paint" / "worker.js").read_text()
    worker = worker.replace("!adapter.info.isFallbackAdapter", "true")
    page = visit(wait=False)
    page.route(
        "**/worker.js", lambda route: route.fulfill(body=worker, content_type="text/javascript")
    )
    for path in tmp_path.iterdir():
        page.route(f"**/{path.name}", partial(Route.fulfill, path=path))
    page.reload()
    settle(page)
    assert page.locator(".painter").get_attribute("data-provider") == "webgpu"
    expect_pytorchs_pictures(page, models(small)[0], small)


@pytest.mark.parametrize("place", [PAGE, CHAPTER], ids=["page", "chapter"])
def test_no_serious_violation_of_accessibility(visit, place: str) -> None:
    page = visit(place=place, wait=False)
    if place == CHAPTER:
        press(page, "Paint here")
    settle(page)
    for theme, width in (("light", 1280), ("dark", 390)):
        page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(500)  # the theme then lets the keyboard scroll what overflows
        found = Axe().run(page, context=".bd-article").response["violations"]
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        assert [(theme, v["id"], v["nodes"][0]["html"]) for v in serious] == []
