r"""The network that a config's perceptual loss looks through, with its published weights."""

from torch import nn

from ecgan.config import LossConfig


def published_features(losses: LossConfig) -> nn.Module | None:
    r"""What ``losses.perceptual_features`` names; None where no network of its own is asked.

    That is so where the term has weight 0, or the segmenter's features serve. Raises
    :class:`ecgan.files.published.WeightsUnavailable` where the weights cannot be had.
    """
    if losses.perceptual and losses.perceptual_features == "vgg19":
        from ecgan.readers.vgg import published_vgg19

        return published_vgg19()
    if losses.perceptual and losses.perceptual_features == "lite":
        from ecgan.readers.lite import published_lite

        return published_lite()
    return None
