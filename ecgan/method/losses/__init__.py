r"""The losses, a file each; `objective` sums them by config."""

from ecgan.method.losses.adversarial import feature_matching, hinge_discriminator, hinge_generator
from ecgan.method.losses.class_specific import ClassSpecificDecoder, class_specific
from ecgan.method.losses.contrastive import info_nce
from ecgan.method.losses.diagnostics import expected_at_random
from ecgan.method.losses.finite import NonFiniteLoss
from ecgan.method.losses.perceptual import PerceptualLoss, perceptual
from ecgan.method.losses.pixel_contrast import PixelContrast
from ecgan.method.losses.similarity import affinity, affinity_bce, affinity_bce_sampled

__all__ = [
    "ClassSpecificDecoder",
    "NonFiniteLoss",
    "PerceptualLoss",
    "PixelContrast",
    "affinity",
    "affinity_bce",
    "affinity_bce_sampled",
    "class_specific",
    "expected_at_random",
    "feature_matching",
    "hinge_discriminator",
    "hinge_generator",
    "info_nce",
    "perceptual",
]
