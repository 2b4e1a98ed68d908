r"""The slider: every frame with its text, one of them shown, and within reach of the keyboard."""

import numpy as np
import pytest
from bs4 import BeautifulSoup

from ecgan.teaching.slider import slider

FRAMES = [np.eye(4, dtype=bool), np.zeros((4, 4), dtype=bool), np.full((4, 4), 9, dtype=np.uint8)]
WORDS = {"name": "fig-x", "title": "Level <1>", "caption": "What moves & why."}


def test_every_frame_is_in_the_page_and_one_is_shown() -> None:
    html = slider(FRAMES, ["a", "b", 'c "3"'], ["one", "two", "three"], start=1, **WORDS).html
    page = BeautifulSoup(html, "html.parser")
    images = page.find_all("img")
    assert [image["alt"] for image in images] == ["one", "two", "three"]
    assert [image.has_attr("hidden") for image in images] == [True, False, True]
    assert all(image["src"].startswith("data:image/png;base64,") for image in images)
    assert len({image["src"] for image in images}) == 3


def test_the_input_has_a_label_and_says_where_it_stands() -> None:
    page = BeautifulSoup(slider(FRAMES, list("abc"), list("xyz"), **WORDS).html, "html.parser")
    box = page.find("input", type="range")
    assert page.find("label", attrs={"for": box["id"]}).text == "Level <1>"
    assert (box["min"], box["max"], box["value"]) == ("0", "2", "0")
    assert box["aria-valuetext"] == page.find("output").text == "a"
    assert box["data-labels"] == '["a", "b", "c"]'
    assert page.find("figcaption").text == "What moves & why."


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
