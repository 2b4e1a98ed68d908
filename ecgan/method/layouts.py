r"""Label maps: validation, one-hot encoding, instance boundaries, palettes (chapter 01)."""

import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float, Int, Integer, UInt8
from torch import Tensor

from ecgan.config import ModelConfig
from ecgan.errors import EcganError

IGNORE = 255
NEXT_STEP = "see `ecgan doctor`"


class LayoutError(EcganError):
    r"""A label map that no network can read; the message says why and what to do."""


def validate(labels: object, *, classes: int, dont_care: bool, source: str = "the layout") -> None:
    r"""Raise :class:`LayoutError` unless ``labels`` is an integer tensor ``b h w`` of known ids.

    Allowed ids are 0 to ``classes - 1``, and 255 (don't care) where ``dont_care`` is set [R].
    ``source`` is named in the message: a file, or an argument.
    """
    if not isinstance(labels, Tensor):
        raise LayoutError(
            f"{source} is a {type(labels).__name__}; it must be a torch tensor of ids: "
            f"torch.as_tensor(array)"
        )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise LayoutError(
            f"{source} has dtype {labels.dtype}; a label map holds integer ids: "
            f"use labels.long() if the values are whole numbers, and load PNGs without scaling"
        )
    if labels.ndim != 3:
        raise LayoutError(
            f"{source} has shape {tuple(labels.shape)}; a batch of label maps is (batch, height, "
            f"width). A colour picture needs `ecgan.method.layouts.from_colors` and its palette "
            f"first; a single map needs a batch axis: rearrange(labels, 'h w -> 1 h w')"
        )
    if labels.numel() == 0:
        raise LayoutError(
            f"{source} is empty, shape {tuple(labels.shape)}; "
            f"give at least one layout of at least one pixel"
        )
    ignored = (labels == IGNORE) if dont_care else torch.zeros_like(labels, dtype=torch.bool)
    wrong = ((labels < 0) | (labels >= classes)) & ~ignored
    if wrong.any():
        met = labels[wrong][0].item()
        where = tuple(torch.nonzero(wrong)[0].tolist())
        rule = "ignores 255" if dont_care else "has no don't-care label (dont_care=False)"
        raise LayoutError(
            f"label {met} in {source}, first at (batch, row, column) {where}; "
            f"this config has {classes} classes (0 to {classes - 1}) and {rule}; {NEXT_STEP}"
        )


def one_hot(
    labels: Integer[Tensor, "b h w"], *, classes: int, dont_care: bool = False
) -> Float[Tensor, "b k h w"]:
    r"""Label ids to one channel a class, values 0 and 1.

    With ``dont_care``, label 255 lights one more channel, the last, index ``classes`` [R].
    """
    validate(labels, classes=classes, dont_care=dont_care)
    return _lit(labels, classes, dont_care)


def _lit(labels: Tensor, classes: int, dont_care: bool) -> Float[Tensor, "b k h w"]:
    ids = torch.arange(classes + dont_care, device=labels.device)
    ids[classes:] = IGNORE
    lit = rearrange(labels, "b h w -> b h w 1") == ids
    return rearrange(lit.float(), "b h w k -> b k h w")


def instance_boundaries(instances: Integer[Tensor, "b h w"]) -> Float[Tensor, "b 1 h w"]:
    r"""1 where a pixel's instance id differs from one of its 4 neighbours', else 0 [R]."""
    boundary = torch.zeros_like(instances, dtype=torch.bool)
    across = instances[:, :, 1:] != instances[:, :, :-1]
    down = instances[:, 1:] != instances[:, :-1]
    boundary[:, :, 1:] |= across
    boundary[:, :, :-1] |= across
    boundary[:, 1:] |= down
    boundary[:, :-1] |= down
    return rearrange(boundary, "b h w -> b 1 h w").float()


def semantics(
    labels: Tensor, instances: Tensor | None = None, *, config: ModelConfig
) -> Float[Tensor, "b s h w"]:
    r"""The networks' input: one-hot classes, don't care, instance boundary [R].

    ``labels`` and ``instances`` are integer maps ``b h w`` of any size that the generator can
    make: multiples of ``2**config.doublings``. Raises :class:`LayoutError` where either is missing,
    of a size that cannot be made, or holds an unknown id.
    """
    check(labels, instances, config=config)
    return encode(labels, instances, config=config)


def check(labels: Tensor, instances: Tensor | None = None, *, config: ModelConfig) -> None:
    r"""Raise :class:`LayoutError` for maps of which :func:`semantics` makes no input."""
    validate(labels, classes=config.classes, dont_care=config.dont_care)
    height, width = labels.shape[1:]
    step = 2**config.doublings
    if height % step or width % step:
        raise LayoutError(
            f"the layout is {height} x {width} pixels (height x width); this config makes "
            f"multiples of {step}, such as {config.height} x {config.width}: resize it with "
            f"nearest-neighbour"
        )
    if not config.instance_boundaries:
        return
    if instances is None:
        raise LayoutError(
            "this config has instance_boundaries=True, but no instance map was given: "
            "pass instances, integer ids of the layout's own shape"
        )
    if instances.shape != labels.shape:
        raise LayoutError(
            f"instances have shape {tuple(instances.shape)}, labels {tuple(labels.shape)}; "
            f"they must be equal"
        )
    if instances.is_floating_point():
        raise LayoutError(f"instances have dtype {instances.dtype}; ids must be integers")


def encode(
    labels: Integer[Tensor, "b h w"],
    instances: Integer[Tensor, "b h w"] | None = None,
    *,
    config: ModelConfig,
) -> Float[Tensor, "b s h w"]:
    r"""The input of maps that :func:`check` has let pass: looks at no value again."""
    maps = [_lit(labels, config.classes, config.dont_care)]
    if config.instance_boundaries:
        maps.append(instance_boundaries(instances))
    return torch.cat(maps, dim=1)


def colorize(
    labels: Integer[Tensor, "*b h w"], palette: UInt8[Tensor, "k 3"]
) -> UInt8[Tensor, "*b h w 3"]:
    r"""Label ids to colours 0-255. Ids beyond the palette, such as don't care, become black."""
    known = (labels >= 0) & (labels < len(palette))
    colors = palette[torch.where(known, labels.long(), 0)]
    return colors * rearrange(known, "... -> ... 1")


def from_colors(
    image: UInt8[Tensor, "*b h w 3"], palette: UInt8[Tensor, "k 3"]
) -> Int[Tensor, "*b h w"]:
    r"""Colours back to label ids; the inverse of :func:`colorize`, black becomes don't care.

    Raises :class:`LayoutError` with the first colour that is not in the palette, which is what a
    layout saved as JPEG, or resized with interpolation, looks like.
    """
    base = torch.tensor([1 << 16, 1 << 8, 1], device=image.device)
    codes = reduce(image.long() * base, "... c -> ...", "sum")
    keys = reduce(palette.long().to(image.device) * base, "k c -> k", "sum")
    match: Bool[Tensor, "*b h w k"] = rearrange(codes, "... -> ... 1") == keys
    found = reduce(match.int(), "... k -> ...", "max").bool()
    unknown = ~found & (codes != 0)
    if unknown.any():
        color = tuple(image[unknown][0].tolist())
        raise LayoutError(
            f"colour {color} is not one of the palette's {len(palette)}; was the layout saved as "
            f"JPEG, or resized with interpolation? Save PNG and resize with nearest-neighbour"
        )
    return torch.where(found, match.int().argmax(-1), IGNORE)
