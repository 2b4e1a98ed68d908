r"""Pictures of the book: one style, tensors as pictures, strips of pictures, legends of classes.

Every figure is opaque white, so that it also reads on a dark page, and no wider than its letters
can bear on a phone. Colours are told apart by every kind of colour vision.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn
import torch
from einops import rearrange
from jaxtyping import Float, Integer, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Patch
from torch import Tensor

from ecgan.data.toy import PALETTE
from ecgan.method.layouts import colorize

WIDTH = 5.6  # inches of a full-width figure: at a phone's 360 pixels 12 points are still 11 pixels
FONT = 12  # points
# Okabe and Ito's colours, without the yellow, which white swallows.
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def use_style() -> None:
    r"""Sets the book's style for every figure made from now on."""
    seaborn.set_theme(
        style="ticks",
        palette=list(CYCLE),
        rc={
            "figure.figsize": (WIDTH, 0.6 * WIDTH),
            "figure.dpi": 150,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "axes.facecolor": "white",
            "axes.grid": True,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "grid.color": "#DDDDDD",
            "image.interpolation": "nearest",
            "legend.frameon": False,
            "lines.linewidth": 2,
            "savefig.facecolor": "white",
            "savefig.transparent": False,
            "font.size": FONT,
            "axes.labelsize": FONT,
            "axes.titlesize": FONT,
            "figure.titlesize": FONT + 1,
            "legend.fontsize": FONT - 1,
            "xtick.labelsize": FONT - 1,
            "ytick.labelsize": FONT - 1,
        },
    )


def to_rgb(images: Float[Tensor, "*b 3 h w"]) -> Float[np.ndarray, "*b h w 3"]:
    r"""Images in [-1, 1] -> arrays in [0, 1] to show; what lies outside, as in `I'`, is clamped."""
    shown = rearrange(images.detach().float().cpu(), "... c h w -> ... h w c")
    return ((shown + 1) / 2).clamp(0, 1).numpy()


def layout_rgb(
    labels: Integer[Tensor, "*b h w"] | Integer[np.ndarray, "*b h w"],
    palette: UInt8[np.ndarray, "k 3"] | UInt8[Tensor, "k 3"] = PALETTE,
) -> UInt8[np.ndarray, "*b h w 3"]:
    r"""Class ids -> the classes' colours, 0-255; ids without one (don't care) are black."""
    return colorize(torch.as_tensor(labels).long().cpu(), torch.as_tensor(palette).cpu()).numpy()


def _shown(picture: Tensor | np.ndarray) -> np.ndarray:
    r"""One picture as matplotlib takes it: "h w 3", or "h w" for shades of grey."""
    if isinstance(picture, Tensor):
        if picture.ndim == 3 and len(picture) == 3 and picture.is_floating_point():
            return to_rgb(picture)
        picture = picture.detach().cpu().numpy()
    if picture.ndim == 2 and (picture.dtype == bool or picture.dtype.kind == "f"):
        return picture.astype(np.float32)
    if picture.ndim == 3 and picture.shape[-1] == 3 and picture.dtype.kind in "fu":
        return picture
    raise ValueError(
        f"a picture has shape {picture.shape} and dtype {picture.dtype}; strip shows tensors "
        "(3, h, w) in [-1, 1], arrays (h, w, 3), and maps (h, w) of floats or bools. "
        "For a label map, pass layout_rgb(labels)."
    )


def strip(
    pictures: Sequence[Tensor | np.ndarray] | Tensor | np.ndarray,
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    rows: Sequence[str] | None = None,
    scale: float | int = 1,
    limits: tuple[float | int, float | int] | None = (0, 1),
    cmap: str = "gray",
    smooth: bool = False,
) -> Figure:
    r"""Pictures side by side, each pixel a sharp square. Show it as the last line of a cell.

    Args:
        pictures: tensors "3 h w" in [-1, 1]; arrays "h w 3", of bytes or in [0, 1]; maps "h w" of
            floats or bools. A batch "b 3 h w" is a sequence of pictures too.
        titles: one for each picture, or one for each column.
        columns: pictures in a row; all of them in one row if None.
        rows: one name for each row, written at its left.
        scale: 1 is the width of the page.
        limits: of maps "h w", the values shown darkest and brightest; None: each map's own.
        cmap: matplotlib's name of the colours of maps.
        smooth: enlarge tensors "3 h w" without corners, as photographs are; all else stays sharp.

    Raises:
        ValueError: nothing to show, a picture of unknown shape, titles or rows that do not fit.
    """
    shown = [_shown(picture) for picture in pictures]
    if not shown:
        raise ValueError("there are 0 pictures to show; give strip at least one.")
    columns = min(columns or len(shown), len(shown))
    lines = -(-len(shown) // columns)
    titles = list(titles or [])
    if titles and len(titles) not in (columns, len(shown)):
        raise ValueError(
            f"{len(titles)} titles for {len(shown)} pictures in {columns} columns; "
            f"give {len(shown)}, or {columns} for the columns."
        )
    if rows is not None and len(rows) != lines:
        raise ValueError(f"{len(rows)} names for {lines} rows; give {lines}.")

    high, wide = shown[0].shape[:2]
    each = (WIDTH * scale - (rows is not None) * (FONT + 8) / 72) / columns
    titled = lines if len(titles) > columns else bool(titles)
    size = (WIDTH * scale, lines * each * high / wide + titled * (FONT + 8) / 72)
    figure, axes = plt.subplots(
        lines, columns, figsize=size, squeeze=False, facecolor="white", layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    for i, axis in enumerate(axes.flat):
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        if i < len(shown):
            low, top = limits if limits and shown[i].ndim == 2 else (None, None)
            way = "lanczos" if smooth and isinstance(pictures[i], Tensor) else "nearest"
            axis.imshow(shown[i], interpolation=way, cmap=cmap, vmin=low, vmax=top)
        if i < len(titles):
            axis.set_title(titles[i], fontsize=FONT - 1, pad=4)
        if rows is not None and i % columns == 0:
            axis.set_ylabel(rows[i // columns], fontsize=FONT - 1)
    plt.close(figure)  # a notebook would show it a second time at the end of the cell
    return figure


def legend(
    where: Axes | Figure,
    names: Sequence[str],
    palette: UInt8[np.ndarray, "k 3"] | UInt8[Tensor, "k 3"] = PALETTE,
) -> Legend:
    r"""The classes' names beside their colours, under a figure or under its axes.

    Raises:
        ValueError: fewer colours than names.
    """
    if len(names) > len(palette):
        raise ValueError(
            f"{len(names)} names but {len(palette)} colours; give the palette of these classes."
        )
    colours = torch.as_tensor(palette).tolist()
    handles = [
        Patch(facecolor=[value / 255 for value in colour], edgecolor="#555555", label=name)
        for name, colour in zip(names, colours)
    ]
    figure = where if isinstance(where, Figure) else where.figure
    longest = max(len(name) for name in names)
    columns = int(figure.get_figwidth() * 72 // (0.5 * FONT * longest + 2.6 * FONT))
    columns = max(1, min(columns, len(names)))
    if isinstance(where, Figure):  # room of its own: the pictures keep their size
        placed = {"loc": "outside lower center"}
        lines = -(-len(names) // columns)
        figure.set_figheight(figure.get_figheight() + (lines * 1.4 * FONT + FONT) / 72)
    else:
        placed = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.02)}
    return where.legend(
        handles=handles,
        ncols=columns,
        frameon=False,
        fontsize=FONT - 1,
        handlelength=1,
        handleheight=1,
        columnspacing=1.2,
        **placed,
    )
