r"""The losses, a file each; `objective` sums them by config."""

from ecgan.losses.adversarial import feature_matching, hinge_discriminator, hinge_generator
from ecgan.losses.class_specific import ClassSpecificDecoder, class_specific
from ecgan.losses.contrastive import expected_at_random, info_nce
from ecgan.losses.finite import NonFiniteLoss
from ecgan.losses.perceptual import PerceptualLoss, perceptual
from ecgan.losses.pixel_contrast import PixelContrast
from ecgan.losses.similarity import affinity, affinity_bce, affinity_bce_sampled

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
