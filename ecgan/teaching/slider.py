r"""A slider through pictures that moves on a page without a kernel: plain HTML and a little script.

For a movement that one picture cannot show: a threshold, a temperature, the steps of a training.
Every frame is in the page, with a text of its own for those who hear the page read.
"""

import io
import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

DPI = 130  # of matplotlib figures; arrays are stored pixel by pixel
MOVE = (
    "const box=this.closest('figure'),said=JSON.parse(this.dataset.labels)[this.value];"
    "box.querySelectorAll('img').forEach((img,i)=>{img.hidden=i!=this.value});"
    "this.setAttribute('aria-valuetext',said);box.querySelector('output').textContent=said"
)


@dataclass(frozen=True, kw_only=True)
class Slider:
    r"""What a notebook shows as the last line of a cell."""

    html: str

    def _repr_html_(self) -> str:
        return self.html


def slider(
    frames: Sequence[np.ndarray | Figure],
    labels: Sequence[str],
    alts: Sequence[str],
    *,
    name: str,
    title: str,
    caption: str,
    start: int = 0,
) -> Slider:
    r"""Frames, one at a time, chosen with the mouse, a finger or the arrow keys.

    Args:
        frames: arrays "h w" of bools, "h w" or "h w 3" of bytes, or figures; all of one size.
        labels: what the slider stands at, one for each frame, such as "high = 0.2".
        alts: what is to be seen, one for each frame.
        name: of the figure on its page, such as "fig-edges-thresholds"; unique in the book.
        title: what is moved; stands before the label.
        caption: what the frames mean.
        start: the frame shown first.

    Raises:
        ValueError: no frames, or not as many labels and alts; `start` is no frame.
    """
    if not frames or not len(frames) == len(labels) == len(alts):
        raise ValueError(
            f"{len(frames)} frames, {len(labels)} labels, {len(alts)} alts; "
            f"give at least one frame, and a label and an alt for each."
        )
    if not 0 <= start < len(frames):
        raise ValueError(f"start is {start}; the frames are 0 to {len(frames) - 1}.")
    images = "\n".join(
        f'<img src="data:image/png;base64,{_png(frame)}" alt="{escape(alt)}"'
        f' style="width:100%"{"" if i == start else " hidden"}>'
        for i, (frame, alt) in enumerate(zip(frames, alts))
    )
    said = escape(labels[start])
    return Slider(
        html=f"""<figure id="{name}">
{images}
<div><label for="{name}-input">{escape(title)}</label>: <output>{said}</output></div>
<input id="{name}-input" type="range" min="0" max="{len(frames) - 1}" value="{start}" step="1"
 style="width:100%" aria-valuetext="{said}"
 data-labels="{escape(json.dumps(list(labels)))}" oninput="{escape(MOVE)}">
<figcaption style="color:inherit;font-weight:400">{escape(caption)}</figcaption>
</figure>"""
    )


def _png(frame: np.ndarray | Figure) -> str:
    r"""A frame as a PNG file in base64; bools take one bit a pixel, figures one byte."""
    file = io.BytesIO()
    if isinstance(frame, Figure):
        frame.savefig(file, format="png", dpi=DPI)
        picture = Image.open(file).convert("RGB").quantize(256)  # a third of the size
        file = io.BytesIO()
    else:
        picture = Image.fromarray(frame)
    picture.save(file, format="PNG", optimize=True)
    return b64encode(file.getvalue()).decode()
