r"""Perceptual loss: L1 between the features of a frozen network (chapter 08). [R]

The released code uses VGG-19; any network that gives a list of feature maps, and says what each
weighs, can take its place, as the toy segmenter does in the toy world.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ecgan.method.layers import frozen
from ecgan.method.losses.finite import full_precision, require_finite

VGG_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)  # relu1_1 ... relu5_1 [R]
FeatureMaps = Sequence[Float[Tensor, "b _ _ _"]]


def perceptual(
    features_fake: FeatureMaps,
    features_real: FeatureMaps,
    weights: Sequence[float | int] = VGG_WEIGHTS,
) -> Float[Tensor, ""]:
    r"""$\sum_i w_i \, \mathrm{mean} |\phi_i(\text{fake}) - \phi_i(\text{real})|$. [R], chapter 08

    One weight a feature map; the real features are detached. Depends on nothing but the features,
    so that a real image's features can serve for the first and for the final image.
    """
    if not len(features_fake) == len(features_real) == len(weights):
        raise ValueError(
            f"perceptual loss: {len(features_fake)} and {len(features_real)} feature maps, "
            f"{len(weights)} weights; give one weight for each map of the extractor."
        )
    fakes = [full_precision(maps) for maps in features_fake]
    reals = [full_precision(maps.detach()) for maps in features_real]
    require_finite("perceptual", *fakes, *reals)
    terms = zip(weights, fakes, reals, strict=True)
    return sum(weight * F.l1_loss(fake, real) for weight, fake, real in terms)


class PixelsAndFeatures(nn.Module):
    r"""The image itself, then a segmenter's feature maps: what stands in for VGG-19 [I].

    A segmenter forgets colours that tell no class; VGG's first layer does not, so pixels stay in.
    """

    def __init__(self, *, segmenter: nn.Module):
        super().__init__()
        self.segmenter = segmenter

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        r"""Maps from pixels to the coarsest features."""
        return [images, *self.segmenter.features(images)]

    @property
    def weights(self) -> tuple[float, ...]:
        r"""1 for the pixels, 1 shared equally among the feature maps."""
        levels = self.segmenter.levels
        return (1.0, *[1 / levels] * levels)


class PerceptualLoss(nn.Module):
    r"""The loss on images "b 3 h w" in [-1, 1], through a frozen ``extractor``. [R], chapter 08.

    ``extractor``: images to a list of feature maps, as long as ``weights``. A module is frozen here
    (no gradient to its weights, evaluation mode for good); of any other callable, such as a bound
    method, the owner is the caller's to freeze.
    """

    def __init__(
        self,
        *,
        extractor: Callable[[Tensor], Sequence[Tensor]],
        weights: Sequence[float | int] = VGG_WEIGHTS,
    ) -> None:
        super().__init__()
        self.extractor, self.weights = extractor, tuple(weights)
        if isinstance(extractor, nn.Module):
            frozen(extractor)

    def train(self, mode: bool = True) -> "PerceptualLoss":
        super().train(mode)
        if isinstance(self.extractor, nn.Module):
            self.extractor.eval()
        return self

    @torch.no_grad()
    def target(self, real: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        r"""A real image's features, to be computed once and compared with several images."""
        return list(self.extractor(real))

    def forward(
        self,
        fake: Float[Tensor, "b 3 h w"],
        real: Float[Tensor, "b 3 h w"] | FeatureMaps,
    ) -> Float[Tensor, ""]:
        r"""``real``: images, or the features that ``target`` gave for them."""
        features = self.target(real) if isinstance(real, Tensor) else real
        return perceptual(self.extractor(fake), features, self.weights)
