r"""Convolutions on maps in the better order of memory; heavy weights on small maps apart.

Spectral normalisation divides the weight by its largest singular value, a pass over all weights
and several more for the gradient. Dividing the *result* gives the same number. And for few pixels
a matrix product, which takes the weights as they lie in memory, is cheaper than a convolution,
which first copies them into an order of its own.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ecgan.fast.memory_order import channels_last

HEAVY = 2**20  # weights that no processor's cache holds
FEW = 4  # weights for each value that they act on, above which a map is called small
FEW_PIXELS = 256  # up to here a product of patches beats a convolution of heavy weights


def forward(conv: nn.Conv2d, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
    r"""The convolution's result, with the bias."""
    x = channels_last(x)
    spectral = parametrize.is_parametrized(conv, "weight")
    if not (is_heavy_for(conv, x) and (spectral or has_few_pixels(x))):
        return type(conv).forward(conv, x)
    if has_few_pixels(x):
        result = product_of_patches(conv, x)
    else:
        result = conv._conv_forward(x, stored(conv), None)
    if spectral:
        result = result / largest_singular_value(conv)
    if conv.bias is None:
        return result
    return result + rearrange(conv.bias, "d -> d 1 1").to(result.dtype)


def has_few_pixels(x: Float[Tensor, "b c h w"]) -> bool:
    r"""True where all pixels of a batch together are few."""
    return x[:, 0].numel() <= FEW_PIXELS


def stored(conv: nn.Conv2d) -> Float[Tensor, "d c y x"]:
    r"""The weight as it is learned, not divided by its largest singular value."""
    if parametrize.is_parametrized(conv, "weight"):
        return conv.parametrizations.weight.original
    return conv.weight


def is_heavy_for(conv: nn.Conv2d, x: Float[Tensor, "b c h w"]) -> bool:
    r"""True where the weights are so much more than the map that they decide the cost."""
    if x.device.type != "cpu" or conv.groups != 1 or conv.dilation != (1, 1):
        return False
    return stored(conv).numel() > max(HEAVY, FEW * x.numel())


def product_of_patches(conv: nn.Conv2d, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
    r"""The convolution as a product of all patches with the stored weights, without bias."""
    (above, _), (kernel, _), (stride, _) = conv.padding, conv.kernel_size, conv.stride
    height = (x.shape[2] + 2 * above - kernel) // stride + 1
    patches = F.unfold(x, conv.kernel_size, padding=conv.padding, stride=conv.stride)
    patches = rearrange(patches, "b n p -> b p n")
    result = F.linear(patches, rearrange(stored(conv), "d c y x -> d (c y x)"))
    return rearrange(result, "b (h2 w2) d -> b d h2 w2", h2=height)


def largest_singular_value(conv: nn.Conv2d) -> Float[Tensor, ""]:
    r"""As ``spectral_norm`` estimates it, by power iteration in training."""
    matrix = rearrange(stored(conv), "d c y x -> d (c y x)")
    vectors = conv.parametrizations.weight[0]
    if conv.training:
        with torch.no_grad():
            vectors._u.copy_(F.normalize(torch.mv(matrix, vectors._v), dim=0))
            turned = rearrange(matrix, "d n -> n d")
            vectors._v.copy_(F.normalize(torch.mv(turned, vectors._u), dim=0))
    # The vectors change in place at the next pass, before this one's gradient may be computed.
    return torch.vdot(vectors._u.clone(), torch.mv(matrix, vectors._v.clone()))
