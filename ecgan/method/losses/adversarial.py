r"""Adversarial losses on the discriminator's result: hinge and feature matching (chapter 08).

The discriminator gives, per scale, the list of its layers' outputs; the last one is the map of
patch scores. The paper writes the adversarial loss with logarithms [S], the released code with a
hinge [R], as here. The weights of the modalities (edge, first, final image) live in ``objective``.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ecgan.method.losses.finite import full_precision, require_finite

Scales = Sequence[Sequence[Float[Tensor, "b _ _ _"]]]


def patch_maps(loss: str, scales: Scales) -> list[Float[Tensor, "b _ _ _"]]:
    r"""The map of each scale, in full precision, checked to be finite."""
    if not scales or not all(len(layers) for layers in scales):
        raise ValueError(
            f"{loss} loss: the discriminator's result holds {[len(s) for s in scales]} layers per "
            "scale; at least one scale, and one layer in each, are needed."
        )
    maps = [full_precision(layers[-1]) for layers in scales]
    require_finite(loss, *maps)
    return maps


def hinge_generator(scales: Scales) -> Float[Tensor, ""]:
    r"""The generator's hinge loss, $-\frac{1}{S}\sum_s \mathrm{mean}(D_s)$. [R], chapter 08.

    ``scales``: the discriminator's result for a generated picture. Unbounded below: what counts is
    its gradient, which pushes every patch score up at the same rate.
    """
    maps = patch_maps("adversarial", scales)
    return sum(-scores.mean() for scores in maps) / len(maps)


def hinge_discriminator(scales: Scales, *, real: bool) -> Float[Tensor, ""]:
    r"""The discriminator's hinge loss for real or generated pictures. [R], chapter 08.

    $\frac{1}{S}\sum_s \mathrm{mean}(\max(0, 1 - D_s))$ for real ones, with $1 + D_s$ for
    generated ones. At least 0; a patch beyond the margin of 1 gives neither loss nor gradient.
    """
    maps = patch_maps("adversarial", scales)
    sign = -1 if real else 1
    return sum(F.relu(1 + sign * scores).mean() for scores in maps) / len(maps)


def feature_matching(fake_scales: Scales, real_scales: Scales) -> Float[Tensor, ""]:
    r"""L1 between the discriminator's features of a generated and of a real picture. [R], ch. 08.

    All layers but the last (the map), each a mean over its elements; summed, divided by the number
    of scales. The real picture's features are detached: they are a target, not something to move.
    """
    if [len(layers) for layers in fake_scales] != [len(layers) for layers in real_scales]:
        raise ValueError(
            "feature matching loss: layers per scale differ, "
            f"{[len(s) for s in fake_scales]} for the generated picture and "
            f"{[len(s) for s in real_scales]} for the real one; use one discriminator for both."
        )
    pairs = [
        (full_precision(fake), full_precision(real.detach()))
        for fakes, reals in zip(fake_scales, real_scales, strict=True)
        for fake, real in zip(fakes[:-1], reals[:-1], strict=True)
    ]
    if not pairs:
        raise ValueError(
            "feature matching loss: no layer besides the map; it needs a discriminator that "
            "returns the outputs of its hidden layers too."
        )
    require_finite("feature matching", *(tensor for pair in pairs for tensor in pair))
    return sum(F.l1_loss(fake, real) for fake, real in pairs) / len(fake_scales)
