r"""Painting by script: what the painter's page shows, read back as arrays, and PyTorch's answer."""

from functools import cache

import numpy as np
import torch
from einops import rearrange
from playwright.sync_api import Page

from book.tools.paint_worlds import WORLDS, World
from ecgan.method.layouts import from_colors
from ecgan.synthesis import synthesize
from ecgan.weights.checkpoint import shipped

PAGE, CHAPTER = "/book/pages/paint.html", "/notebooks/00_quickstart.html"
TOLERANCE = 1e-3
PICTURES = ("edge", "first", "final")
STREET, CITY = WORLDS
LISTEN = """addEventListener("painted", ({ detail }) => {
  window.made = detail;
  window.painted = (window.painted ?? 0) + 1;
}, true);
addEventListener("said", ({ detail }) => Object.assign(window.made, detail), true);"""
# The newest picture is shown, and all is said about it.
SETTLED = """() => window.made?.change !== undefined &&
  document.querySelector("[data-picture=final]")?.getAttribute("aria-busy") === "false" """


def settle(page: Page) -> None:
    r"""Wait until the pictures are those of the board."""
    page.wait_for_function(SETTLED, timeout=180_000)


def offered(i: int, world: World = STREET) -> np.ndarray:
    r"""The layout that is offered as the i-th to start from."""
    return world.labels(world.starts[i]).numpy()


def board_box(page: Page) -> dict[str, float]:
    r"""Where the board is, scrolled into view."""
    board = page.locator(".painter-board canvas")
    board.scroll_into_view_if_needed()
    return board.bounding_box()


def stroke(page: Page, *points: tuple[float, float], world: World = STREET) -> None:
    r"""Draw with the mouse along points of the layout, in pixels of it."""
    box = board_box(page)
    scale = box["width"] / world.model.width
    for i, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + scale * (x + 0.5), box["y"] + scale * (y + 0.5), steps=5)
        if i == 0:
            page.mouse.down()
    page.mouse.up()


def made(page: Page) -> dict[str, np.ndarray]:
    r"""What the network made last, and the layout from which."""
    settle(page)
    listed = page.evaluate(
        """() => Object.fromEntries(Object.entries({ ...made, layout: made.job.layout })
          .filter(([, value]) => ArrayBuffer.isView(value))
          .map(([name, value]) => [name, Array.from(value)]))"""
    )
    arrays = {name: np.array(values) for name, values in listed.items()}
    height = round(len(arrays["layout"]) ** 0.5)
    for name in PICTURES:
        arrays[name] = rearrange(arrays[name], "(c h w) -> c h w", c=3, h=height)
    for name in ("layout", "read_first", "read_final"):
        arrays[name] = rearrange(arrays[name], "(h w) -> h w", h=height)
    return arrays


@cache
def models(world: World = STREET) -> tuple:
    r"""Generator and segmenter of a world."""
    return shipped(world.generator), shipped(world.segmenter)


def expect_pytorchs_pictures(page: Page, generator: torch.nn.Module, world: World = STREET) -> None:
    r"""The page's pictures, gates and what is read in them are those of PyTorch."""
    got = made(page)
    expected = synthesize(generator, torch.from_numpy(got["layout"]).long())
    for name in (*PICTURES, "gates"):
        value = getattr(expected, name)[0].numpy()
        np.testing.assert_allclose(got[name], value, atol=TOLERANCE, rtol=0, err_msg=name)
    for name in ("first", "final"):
        shown = getattr(expected, name).clamp(-1, 1)
        read = models(world)[1](shown).argmax(dim=1)[0].numpy()
        assert (got[f"read_{name}"] == read).mean() > 0.999


def pixels(page: Page, place: str) -> np.ndarray:
    r"""What a canvas shows."""
    rgba, height = page.locator(place).evaluate(
        """c => [Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.height).data),
          c.height]"""
    )
    return rearrange(np.array(rgba), "(h w c) -> h w c", h=height, c=4)[..., :3]


def layout(page: Page, world: World = STREET) -> np.ndarray:
    r"""The layout on the board."""
    shown = torch.from_numpy(pixels(page, ".painter-board canvas")).byte()
    return from_colors(shown, torch.tensor(world.colours, dtype=torch.uint8)).numpy()


def choose(page: Page, name: str, value: object) -> None:
    r"""Pick a class, a tool, a size, a world."""
    page.locator(f'input[name="painter-{name}"][value="{value}"]').check(force=True)


def press(page: Page, name: str) -> None:
    r"""Press the button of this name."""
    page.get_by_role("button", name=name, exact=True).click()
