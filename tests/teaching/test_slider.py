r"""The slider: every frame with its text, one of them shown, and within reach of the keyboard."""

import io
from base64 import b64decode

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from ecgan.data import toy
from ecgan.teaching.figures import layout_rgb, legend, strip
from ecgan.teaching.slider import slider

FRAMES = [np.eye(4, dtype=bool), np.zeros((4, 4), dtype=bool), np.full((4, 4), 9, dtype=np.uint8)]
WORDS = {"name": "x", "title": "Level <1>"}


def test_every_frame_is_in_the_page_and_one_is_shown() -> None:
    html = slider(FRAMES, ["a", "b", 'c "3"'], ["one", "two", "three"], start=1, **WORDS).html
    page = BeautifulSoup(html, "html.parser")
    images = page.find_all("img")
    assert [image["alt"] for image in images] == ["one", "two", "three"]
    assert [image.has_attr("hidden") for image in images] == [True, False, True]
    assert all(image["src"].startswith("data:image/webp;base64,") for image in images)
    assert len({image["src"] for image in images}) == 3


def test_the_input_has_a_label_and_says_where_it_stands() -> None:
    page = BeautifulSoup(slider(FRAMES, list("abc"), list("xyz"), **WORDS).html, "html.parser")
    box = page.find("input", type="range")
    assert page.find("label", attrs={"for": box["id"]}).text == "Level <1>"
    assert (box["min"], box["max"], box["value"]) == ("0", "2", "0")
    assert box["aria-valuetext"] == page.find("output").text == "a"
    assert box["data-labels"] == '["a", "b", "c"]'


def colours(html: str) -> set[tuple[int, ...]]:
    r"""Those of the first frame."""
    stored = BeautifulSoup(html, "html.parser").img["src"].split("base64,")[1]
    picture = np.asarray(Image.open(io.BytesIO(b64decode(stored))).convert("RGB"))
    return set(map(tuple, picture.reshape(-1, 3).tolist()))


def test_every_colour_is_kept() -> None:
    r"""A class has the same colour in all figures, so in a slider's frames too."""
    labels = np.arange(9).reshape(3, 3)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert colours(slider([noise], ["a"], ["b"], **WORDS).html) == set(
        map(tuple, noise.reshape(-1, 3).tolist())
    )
    figure = strip([layout_rgb(labels), noise])  # more than 256 colours
    legend(figure, toy.CLASSES)
    assert set(map(tuple, toy.PALETTE.tolist())) <= colours(
        slider([figure], ["a"], ["b"], **WORDS).html
    )


@pytest.mark.parametrize(
    ("frames", "labels", "start", "said"),
    [
        ([], [], 0, "give at least one frame"),
        (FRAMES, ["a"], 0, "3 frames, 1 labels"),
        (FRAMES, list("abc"), 3, "the frames are 0 to 2"),
    ],
)
def test_errors_say_what_to_give(frames, labels, start, said) -> None:
    with pytest.raises(ValueError, match=said):
        slider(frames, labels, list("xyz")[: len(frames)], start=start, **WORDS)
