r"""A slider through pictures that moves on a page without a kernel: plain HTML and a little script.

For a movement that one picture cannot show: a threshold, a temperature, the steps of a training.
Every frame is in the page, with a text of its own for those who hear the page read. Number and
caption are the cell's, as for every figure: its metadata hold `mystnb.figure`.
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

DPI = 96  # of matplotlib figures; arrays are stored pixel by pixel
MOVE = (
    "const box=this.closest('.slider'),said=JSON.parse(this.dataset.labels)[this.value];"
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
    start: int = 0,
) -> Slider:
    r"""Frames, one at a time, chosen with the mouse, a finger or the arrow keys.

    Args:
        frames: arrays "h w" of bools, "h w" or "h w 3" of bytes, or figures; all of one size.
        labels: what the slider stands at, one for each frame, such as "high = 0.2".
        alts: what is to be seen, one for each frame.
        name: such as "edges-thresholds"; unique on its page.
        title: what is moved; stands before the label.
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
        f'<img src="data:image/webp;base64,{_webp(frame)}" alt="{escape(alt)}"'
        f' style="width:100%"{"" if i == start else " hidden"}>'
        for i, (frame, alt) in enumerate(zip(frames, alts))
    )
    said = escape(labels[start])
    return Slider(
        html=f"""<div class="slider">
{images}
<div><label for="{name}-input">{escape(title)}</label>: <output>{said}</output></div>
<input id="{name}-input" type="range" min="0" max="{len(frames) - 1}" value="{start}" step="1"
 style="width:100%" aria-valuetext="{said}"
 data-labels="{escape(json.dumps(list(labels)))}" oninput="{escape(MOVE)}">
</div>"""
    )


def _webp(frame: np.ndarray | Figure) -> str:
    r"""A frame in base64, every colour kept: lossless WebP, half the size of a PNG."""
    file = io.BytesIO()
    if isinstance(frame, Figure):
        frame.savefig(file, format="png", dpi=DPI)
        picture = Image.open(file)
    else:
        picture = Image.fromarray(frame)
    stored = io.BytesIO()
    picture.convert("RGB").save(stored, format="WEBP", lossless=True, quality=100)
    return b64encode(stored.getvalue()).decode()
