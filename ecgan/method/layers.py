r"""What the networks are made of: one way to make a convolution, one to resize a layout."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

XAVIER_GAIN = 0.02
LEAK = 0.2


def convolution(
    channels_in: int,
    channels_out: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    padding: int | None = None,
    bias: bool = True,
    spectral: bool = False,
) -> nn.Conv2d:
    r"""A convolution with Xavier normal weights (gain 0.02) and zero biases [R].

    ``padding`` keeps the size unless given. ``spectral`` divides the weight by its largest
    singular value, followed by power iteration in training (Miyato et al., 2018).
    """
    padding = kernel // 2 if padding is None else padding
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride=stride, padding=padding, bias=bias)
    nn.init.xavier_normal_(conv.weight, gain=XAVIER_GAIN)
    if bias:
        nn.init.zeros_(conv.bias)
    return spectral_norm(conv) if spectral else conv


def resize(
    semantics: Float[Tensor, "b s h w"], like: Float[Tensor, "b c y x"]
) -> Float[Tensor, "b s y x"]:
    r"""The semantic input at the size of ``like``, by nearest neighbour [R]: 0 and 1 stay so."""
    return F.interpolate(semantics, size=like.shape[-2:], mode="nearest")


def scale(x: Float[Tensor, "b c h w"], factor: float | int) -> Float[Tensor, "b c y x"]:
    r"""``factor`` times the height and width, by nearest neighbour [R]."""
    return F.interpolate(x, scale_factor=factor, mode="nearest")


def frozen(network: nn.Module) -> nn.Module:
    r"""A network that only looks: in evaluation mode, its parameters without gradients."""
    return network.eval().requires_grad_(False)
