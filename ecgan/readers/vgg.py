r"""VGG-19 up to relu5_1 and its published ImageNet weights, checked by hash (chapter 08)."""

from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn

from ecgan.files.published import Published, WeightsUnavailable
from ecgan.method.losses.perceptual import VGG_WEIGHTS

URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
SHA256_PREFIX = "dcbb9e9d"  # the part of the hash that torchvision publishes, in the file's name
VARIABLE = "ECGAN_VGG19"
# Channels of the 3x3 convolutions; "pool" is a 2x2 maximum. Only as far as relu5_1.
LAYERS = (
    64, 64, "pool", 128, 128, "pool", 256, 256, 256, 256, "pool", 512, 512, 512, 512, "pool", 512,
)  # fmt: skip
SLICES = (1, 6, 11, 20, 29)  # relu1_1, relu2_1, relu3_1, relu4_1, relu5_1


class VGG19(nn.Module):
    r"""Images "b 3 h w" to [relu1_1, relu2_1, relu3_1, relu4_1, relu5_1]. [R]

    The keys are torchvision's (``features.0.weight``, ...), so that its published weights load. The
    released code feeds images as they are, in [-1, 1], without ImageNet's mean and deviation.
    """

    weights = VGG_WEIGHTS

    def __init__(self) -> None:
        super().__init__()
        layers, channels = [], 3
        for layer in LAYERS:
            if layer == "pool":
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(channels, layer, 3, padding=1), nn.ReLU(inplace=True)]
                channels = layer
        self.features = nn.Sequential(*layers)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        slices = []
        for index, layer in enumerate(self.features):
            images = layer(images)
            if index in SLICES:
                slices.append(images)
        return slices


def _weights(url: str, sha256_prefix: str) -> Published:
    return Published(
        purpose="perceptual loss",
        urls=(url,),
        sha256_prefix=sha256_prefix,
        variable=VARIABLE,
        way_out="or switch the loss off (weight 0); or, for the toy world, let the toy segmenter's "
        "features take VGG-19's place.",
    )


def fetch_weights(
    *, url: str = URL, sha256_prefix: str = SHA256_PREFIX, folder: str | Path | None = None
) -> Path:
    r"""The path of the weights: the file ``ECGAN_VGG19`` names, else the cache, else a download.

    A file is used only if its SHA-256 starts with ``sha256_prefix`` (all that is published of it).
    Raises ``WeightsUnavailable``.
    """
    return _weights(url, sha256_prefix).fetch(folder=folder)


def load_vgg19(path: str | Path) -> VGG19:
    r"""VGG-19 from a state dict with torchvision's keys; layers beyond relu5_1 are left out."""
    state = _weights(URL, SHA256_PREFIX).state_dict(path)
    vgg = VGG19()
    if missing := sorted(set(vgg.state_dict()) - set(state)):
        raise WeightsUnavailable(
            f"perceptual loss: {path} lacks {', '.join(missing[:3])}{' ...' * (len(missing) > 3)}; "
            f"needed are torchvision's VGG-19 keys, as in {URL}."
        )
    vgg.load_state_dict({name: state[name] for name in vgg.state_dict()})
    return vgg


def published_vgg19(
    *, url: str = URL, sha256_prefix: str = SHA256_PREFIX, folder: str | Path | None = None
) -> VGG19:
    r"""VGG-19 with its ImageNet weights (575 MB, downloaded once)."""
    return load_vgg19(fetch_weights(url=url, sha256_prefix=sha256_prefix, folder=folder))
