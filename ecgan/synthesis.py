r"""Layout in, pictures out: from tensors or from label PNGs, without any real image."""

from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ecgan.fast import accelerated
from ecgan.method.generator import Generator, Synthesis
from ecgan.method.layouts import LayoutError, semantics


def synthesize(generator: Generator, labels: Tensor, instances: Tensor | None = None) -> Synthesis:
    r"""Pictures of a layout ``h w`` or of a batch ``b h w``, without gradients.

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


def read_layout(path: str | Path, *, height: int, width: int) -> Tensor:
    r"""A label PNG (grey ids, or a palette file whose indices are ids) as ``1 h w``, resized.

    Raises :class:`LayoutError` for a file that is no image or a colour picture.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in ("L", "P", "I", "I;16", "1"):
                raise LayoutError(
                    f"{path} is a colour picture (mode {image.mode}); a label map is a grey or "
                    f"palette PNG of ids: convert it with ecgan.method.layouts.from_colors"
                )
            resized = image.resize((width, height), Image.Resampling.NEAREST)
            return rearrange(torch.from_numpy(np.array(resized).astype(np.int64)), "h w -> 1 h w")
    except (UnidentifiedImageError, OSError) as error:
        raise LayoutError(f"{path} cannot be read as an image ({error})") from error


def to_bytes(picture: Float[Tensor, "3 h w"]) -> np.ndarray:
    r"""A picture in [-1, 1] (clamped) as 8-bit ``h w 3``."""
    levels = ((picture.clamp(-1, 1) + 1) * 127.5).round().byte()
    return rearrange(levels, "c h w -> h w c").cpu().numpy()


def save_png(path: str | Path, picture: Float[Tensor, "3 h w"]) -> None:
    r"""Write a picture in [-1, 1] as PNG, making its folder where needed."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(to_bytes(picture)).save(path)
