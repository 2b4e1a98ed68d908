r"""Layout in, pictures out: tensors in, tensors or PNG files out, without any real image."""

from pathlib import Path

import numpy as np
import torch
from einops import einsum, rearrange
from jaxtyping import Float, Int
from torch import Tensor

from ecgan.fast import accelerated
from ecgan.files.pictures import as_png
from ecgan.files.whole import write_file
from ecgan.method.generator import Generator, Synthesis
from ecgan.method.layouts import semantics


def synthesize(generator: Generator, labels: Tensor, instances: Tensor | None = None) -> Synthesis:
    r"""Pictures of a layout ``h w`` or of a batch ``b h w``, without gradients, of its size.

    Height and width are multiples of what the generator doubles to, 32, 64 or 128.

    Raises :class:`ecgan.method.layouts.LayoutError` as :func:`ecgan.method.layouts.semantics` does.
    """
    if labels.ndim == 2:
        labels = rearrange(labels, "h w -> 1 h w")
        instances = None if instances is None else rearrange(instances, "h w -> 1 h w")
    device = next(generator.parameters()).device
    layout = semantics(labels, instances, config=generator.config).to(device)
    was_training = generator.training
    generator.eval()
    with torch.no_grad(), accelerated(generator):
        made = generator(layout)
    generator.train(was_training)
    return made


def to_bytes(picture: Float[Tensor, "3 h w"]) -> np.ndarray:
    r"""A picture in [-1, 1] (clamped) as 8-bit ``h w 3``."""
    levels = ((picture.clamp(-1, 1) + 1) * 127.5).round().byte()
    return rearrange(levels, "c h w -> h w c").cpu().numpy()


def save_png(path: str | Path, picture: Float[Tensor, "3 h w"]) -> None:
    r"""Write a picture in [-1, 1] as PNG, whole or not at all, making its folder where needed.

    Raises :class:`ecgan.files.whole.RunError` where it cannot be written.
    """
    write_file(path, as_png(to_bytes(picture)))


def all_pictures(
    generator: Generator, labels: Int[Tensor, "h w"], instances: Int[Tensor, "h w"] | None = None
) -> dict[str, Float[Tensor, "3 h w"]]:
    r"""The pictures of a layout by name: "edge" where there is one, "first" and "final"."""
    made = synthesize(generator, labels, instances)
    return {name: part[0] for name, part in (made.pictures() | {"final": made.final}).items()}


def starts(whole: int, side: int) -> list[int]:
    r"""Where windows of ``side`` begin that cover ``whole``, evenly, half or more over the next."""
    step = side - side // 2
    count = max(1, -(-(whole - side // 2) // step))
    return [place * (whole - side) // max(count - 1, 1) for place in range(count)]


def synthesize_in_windows(
    generator: Generator, labels: Int[Tensor, "h w"], instances: Int[Tensor, "h w"] | None = None
) -> dict[str, Float[Tensor, "3 h w"]]:
    r"""The pictures of a layout larger than the generator's own size, by name.

    A network that has learned from crops knows by its zero padding how near a border is, and paints
    worse where every border is farther than in any crop. So it paints windows of its own size, each
    half over the next, and where they overlap one fades into the other. Wherever the layout is not
    larger, it is painted at once. Raises as :func:`synthesize` does.
    """
    sides = generator.config.height, generator.config.width
    if all(whole <= side for whole, side in zip(labels.shape, sides)):
        return all_pictures(generator, labels, instances)
    height, width = (min(whole, side) for whole, side in zip(labels.shape, sides))
    fade = einsum(*map(_ramp, (height, width)), "h, w -> h w")
    found: dict[str, Tensor] = {}
    total = torch.zeros(labels.shape)
    for top in starts(labels.shape[0], height):
        for left in starts(labels.shape[1], width):
            cut = slice(top, top + height), slice(left, left + width)
            own = None if instances is None else instances[cut]
            total[cut] += fade
            for name, part in all_pictures(generator, labels[cut], own).items():
                whole = found.setdefault(name, torch.zeros(3, *labels.shape))
                whole[:, *cut] += fade * part.cpu()
    return {name: whole / total for name, whole in found.items()}


def _ramp(side: int) -> Float[Tensor, "n"]:
    r"""From the border up to 1 in the middle, and down again; nowhere 0."""
    up = (torch.arange(side) + 0.5) / (side / 2)
    return torch.minimum(up, up.flip(0))
