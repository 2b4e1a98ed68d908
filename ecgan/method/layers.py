r"""The one way this package makes a convolution: initialised, spectrally normalised if asked."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

XAVIER_GAIN = 0.02
LEAK = 0.2
HEAVY = 2**20  # weights that no processor's cache holds
FEW = 4  # weights for each value that they act on, above which a map is called small
FEW_PIXELS = 256  # up to here a product of patches beats a convolution of heavy weights


def tracing() -> bool:
    r"""True while a graph is recorded, which must not depend on what goes in."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.onnx.is_in_onnx_export()


def has_few_pixels(x: Float[Tensor, "b c h w"]) -> bool:
    r"""True where all pixels of a batch together are few."""
    return x[:, 0].numel() <= FEW_PIXELS


def leak_(maps: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    r"""LeakyReLU written over ``maps``, which nobody else may need: a map less to keep."""
    return F.leaky_relu(maps, LEAK, inplace=True)


def channels_last(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    r"""The same maps, a pixel's channels side by side in memory.

    Convolutions of few channels at many pixels are up to twice as fast on maps that lie so, and
    what follows stays so.
    """
    return maps.contiguous(memory_format=torch.channels_last)


class Convolution(nn.Conv2d):
    r"""A convolution; where heavy weights meet a small map, a cheaper order of computing it.

    Spectral normalisation divides the weight by its largest singular value, a pass over all
    weights and several more for the gradient. Dividing the *result* is the same number. And for
    few pixels a matrix product, which takes the weights as they lie in memory, is cheaper than a
    convolution, which first copies them into an order of its own.
    """

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        r"""The result, with the bias."""
        spectral = parametrize.is_parametrized(self, "weight")
        if not (self.is_heavy_for(x) and (spectral or has_few_pixels(x))):
            return super().forward(x)
        if has_few_pixels(x):
            result = self.product_of_patches(x)
        else:
            result = self._conv_forward(x, self.stored, None)
        if spectral:
            result = result / self.largest_singular_value()
        if self.bias is None:
            return result
        return result + rearrange(self.bias, "d -> d 1 1").to(result.dtype)

    @property
    def stored(self) -> Float[Tensor, "d c y x"]:
        r"""The weight as it is learned, not divided by its largest singular value."""
        if parametrize.is_parametrized(self, "weight"):
            return self.parametrizations.weight.original
        return self.weight

    def is_heavy_for(self, x: Float[Tensor, "b c h w"]) -> bool:
        r"""True where the weights are so much more than the map that they decide the cost."""
        if x.device.type != "cpu" or tracing():
            return False
        return self.stored.numel() > max(HEAVY, FEW * x.numel())

    def product_of_patches(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        r"""The convolution as a product of all patches with the stored weights, without bias."""
        (above, _), (kernel, _), (stride, _) = self.padding, self.kernel_size, self.stride
        height = (x.shape[2] + 2 * above - kernel) // stride + 1
        patches = F.unfold(x, self.kernel_size, padding=self.padding, stride=self.stride)
        patches = rearrange(patches, "b n p -> b p n")
        result = F.linear(patches, rearrange(self.stored, "d c y x -> d (c y x)"))
        return rearrange(result, "b (h2 w2) d -> b d h2 w2", h2=height)

    def largest_singular_value(self) -> Float[Tensor, ""]:
        r"""As ``spectral_norm`` estimates it, by power iteration in training."""
        matrix = rearrange(self.stored, "d c y x -> d (c y x)")
        vectors = self.parametrizations.weight[0]
        if self.training:
            with torch.no_grad():
                vectors._u.copy_(F.normalize(torch.mv(matrix, vectors._v), dim=0))
                turned = rearrange(matrix, "d n -> n d")
                vectors._v.copy_(F.normalize(torch.mv(turned, vectors._u), dim=0))
        # The vectors change in place at the next pass, before this one's gradient may be computed.
        return torch.vdot(vectors._u.clone(), torch.mv(matrix, vectors._v.clone()))


def convolution(
    channels_in: int,
    channels_out: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    padding: int | None = None,
    bias: bool = True,
    spectral: bool = False,
) -> Convolution:
    r"""A convolution with Xavier normal weights (gain 0.02) and zero biases [R].

    ``padding`` keeps the size unless given. ``spectral`` divides the weight by its largest
    singular value, followed by power iteration in training (Miyato et al., 2018).
    """
    padding = kernel // 2 if padding is None else padding
    conv = Convolution(channels_in, channels_out, kernel, stride=stride, padding=padding, bias=bias)
    nn.init.xavier_normal_(conv.weight, gain=XAVIER_GAIN)
    if bias:
        nn.init.zeros_(conv.bias)
    return spectral_norm(conv) if spectral else conv


def frozen(network: nn.Module) -> nn.Module:
    r"""A network that only looks: in evaluation mode, its parameters without gradients."""
    return network.eval().requires_grad_(False)
