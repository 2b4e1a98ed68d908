r"""Canny edge maps in batched torch: the authors' settings and the toy world's (chapter 02)."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce, repeat
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

# 0.2989, 0.5870, 0.1140 before rounding: with the short form some grey levels differ by one.
LUMA = (0.298936021293775, 0.587043074451121, 0.114020904255103)
GAUSSIAN_5X5 = (
    (2, 4, 5, 4, 2),
    (4, 9, 12, 9, 4),
    (5, 12, 15, 12, 5),
    (4, 9, 12, 9, 4),
    (2, 4, 5, 4, 2),
)
SOBEL = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))
# The neighbour (row, column) that lies along the gradient at 0, 45, 90 and 135 degrees.
ALONG_GRADIENT = ((0, 1), (1, 1), (1, 0), (1, -1))


@dataclass(frozen=True, kw_only=True)
class Canny:
    r"""Settings: ``sigma`` in pixels (``None``: the authors' 5 x 5 kernel [R]) and thresholds.

    ``low`` and ``high`` are shares of the largest suppressed magnitude of each image [R].
    """

    sigma: float | None = None
    low: float = 0.075
    high: float = 0.175

    def __post_init__(self):
        if self.sigma is not None and self.sigma <= 0:
            raise ValueError(
                f"sigma is {self.sigma} pixels; it must be positive, or None for the "
                f"authors' 5 x 5 kernel"
            )
        if not 0 <= self.low <= self.high <= 1:
            raise ValueError(
                f"thresholds are low {self.low} and high {self.high}; they are shares of the "
                f"largest magnitude, so 0 <= low <= high <= 1"
            )


AUTHORS = Canny()
TOY = Canny(sigma=0.8)


class CannyStages(NamedTuple):
    r"""Every step of Canny, each ``b h w``; magnitudes in grey levels (0-255) a pixel."""

    grey: Tensor
    smooth: Tensor
    magnitude: Tensor
    direction: Tensor
    suppressed: Tensor
    weak: Tensor
    strong: Tensor
    edges: Tensor


def grey(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b h w"]:
    r"""Images in [-1, 1] to whole grey levels 0-255: 0.2989 R + 0.5870 G + 0.1140 B [R]."""
    red, *others = (torch.round(127.5 * (plane + 1)) for plane in images.unbind(1))
    mixed = LUMA[0] * red
    for plane, share in zip(others, LUMA[1:], strict=True):
        mixed = torch.add(mixed, plane, alpha=share)
    return torch.round(mixed)


def gaussian(sigma: float | None, like: Tensor) -> Float[Tensor, "h w"]:
    r"""Smoothing weights, not normalised: the authors' 5 x 5 [R], or a Gaussian cut at 4 sigma."""
    if sigma is None:
        return like.new_tensor(GAUSSIAN_5X5)
    radius = max(1, round(4 * sigma))
    row = torch.exp(-((torch.arange(-radius, radius + 1).to(like) / sigma) ** 2) / 2)
    return einsum(row, row, "h, w -> h w")


def correlate(
    picture: Float[Tensor, "b h w"], kernel: Float[Tensor, "kh kw"]
) -> Float[Tensor, "b h w"]:
    r"""Correlation of the same size, zeros outside the picture.

    The pictures go in as the channels of one, each its own group.
    """
    planes = rearrange(picture, "b h w -> 1 b h w")
    weight = repeat(kernel, "kh kw -> b 1 kh kw", b=len(picture))
    return rearrange(
        F.conv2d(planes, weight, padding="same", groups=len(picture)), "1 b h w -> b h w"
    )


def beside(bordered: Shaped[Tensor, "b h2 w2"], down: int, right: int) -> Shaped[Tensor, "b h w"]:
    r"""Each pixel's neighbour ``down`` rows below and ``right`` columns to the right, -1 to 1.

    ``bordered`` is the picture with a border of one pixel, which says what lies outside.
    """
    height, width = (size - 2 for size in bordered.shape[-2:])
    return bordered[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width]


def thicken(found: Bool[Tensor, "b h w"]) -> Bool[Tensor, "b h w"]:
    r"""True where a pixel or one of its eight neighbours is."""
    bordered = F.pad(found, (1, 1, 1, 1))
    rows = bordered[:, :-2] | bordered[:, 1:-1] | bordered[:, 2:]
    return rows[:, :, :-2] | rows[:, :, 1:-1] | rows[:, :, 2:]


def directions(
    gradient_x: Float[Tensor, "b h w"], gradient_y: Float[Tensor, "b h w"]
) -> Int[Tensor, "b h w"]:
    r"""Gradient direction rounded to 0, 45, 90, 135 degrees: index 0, 1, 2, 3."""
    degrees = torch.atan2(gradient_y, gradient_x).rad2deg()
    eighths = torch.floor((degrees + (180 + 22.5)) / 45).to(torch.int16)
    return eighths & 3  # half a turn has four


def suppress(
    magnitude: Float[Tensor, "b h w"], direction: Int[Tensor, "b h w"]
) -> Float[Tensor, "b h w"]:
    r"""Non-maximum suppression: keep a magnitude no neighbour along its gradient exceeds.

    The outermost pixels are never edges: the zeros outside the picture would make it one [R].
    """
    keep = torch.zeros_like(magnitude, dtype=torch.bool)
    bordered = F.pad(magnitude, (1, 1, 1, 1))
    for index, (down, right) in enumerate(ALONG_GRADIENT):
        either = torch.maximum(beside(bordered, down, right), beside(bordered, -down, -right))
        keep |= (direction == index) & (magnitude >= either)
    keep[:, [0, -1]] = False
    keep[:, :, [0, -1]] = False
    return magnitude * keep


def stages(images: Float[Tensor, "b 3 h w"], *, settings: Canny = AUTHORS) -> CannyStages:
    r"""Canny step by step; images in [-1, 1], each with its own thresholds. Chapter 02, [R]."""
    picture = grey(images)
    weights = gaussian(settings.sigma, picture)
    # Divide by the weights' sum last: until then the authors' kernel keeps whole numbers exact.
    blurred = correlate(picture, weights)
    sobel = picture.new_tensor(SOBEL)
    gradient_x = correlate(blurred, sobel)
    gradient_y = correlate(blurred, rearrange(sobel, "h w -> w h"))
    magnitude = torch.hypot(gradient_x, gradient_y) / weights.sum()
    smooth = blurred / weights.sum()
    direction = directions(gradient_x, gradient_y)
    suppressed = suppress(magnitude, direction)
    largest = reduce(suppressed, "b h w -> b 1 1", "max")
    strong = suppressed >= settings.high * largest
    weak = (suppressed >= settings.low * largest) & ~strong
    edges = (strong | (weak & thicken(strong))) & (suppressed > 0)
    return CannyStages(picture, smooth, magnitude, direction, suppressed, weak, strong, edges)


def canny(images: Float[Tensor, "b 3 h w"], *, settings: Canny = AUTHORS) -> Bool[Tensor, "b h w"]:
    r"""True on edges. Images in [-1, 1]; a flat image has none. One pass of hysteresis [R]."""
    return stages(images, settings=settings).edges


def edge_maps(
    images: Float[Tensor, "b 3 h w"], *, settings: Canny = AUTHORS
) -> Float[Tensor, "b 3 h w"]:
    r"""Training target: 3 equal channels, 1 on edges and -1 elsewhere [R]."""
    edges = canny(images, settings=settings).to(images.dtype)
    return repeat(2 * edges - 1, "b h w -> b 3 h w")


def layout_boundaries(labels: Int[Tensor, "b h w"]) -> Bool[Tensor, "b h w"]:
    r"""True where the class differs from the right or the lower neighbour's: thin lines."""
    boundary = torch.zeros_like(labels, dtype=torch.bool)
    boundary[:, :, :-1] |= labels[:, :, 1:] != labels[:, :, :-1]
    boundary[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    return boundary


def f1(predicted: Bool[Tensor, "*b"], target: Bool[Tensor, "*b"]) -> float:
    r"""Pixel F1 of two edge maps, 0 to 1; two empty maps agree, 1."""
    hits = (predicted & target).sum().item()
    total = predicted.sum().item() + target.sum().item()
    return 2 * hits / total if total else 1.0


def precision_and_recall(
    found: Bool[Tensor, "b h w"], wanted: Bool[Tensor, "b h w"], *, tolerance: int
) -> tuple[float, float]:
    r"""Shares of the found edges that are wanted, and of the wanted that are found, 0 to 1.

    An edge pixel counts as hit where the other map has one at most ``tolerance`` pixels away, rows
    and columns each. A map without any edge has the share 0.
    """

    def share_near(those: Tensor, others: Tensor) -> float:
        maps = rearrange(others.float(), "b h w -> b 1 h w")
        near = F.max_pool2d(maps, 2 * tolerance + 1, stride=1, padding=tolerance) > 0
        hits = those & rearrange(near, "b 1 h w -> b h w")
        return hits.sum().item() / max(those.sum().item(), 1)

    return share_near(found, wanted), share_near(wanted, found)
