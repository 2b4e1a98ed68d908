r"""Layout in, pictures out: tensors in, tensors or PNG files out, without any real image."""

from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
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
