r"""The shared encoder: from the coarsest layout up to features that both branches read (03)."""

from jaxtyping import Float
from torch import Tensor, nn

from ecgan.config import ModelConfig
from ecgan.method.layers import convolution, scale
from ecgan.method.spade import SPADEResBlock


class SharedEncoder(nn.Module):
    r"""The trunk ``E``: SPADE blocks from the coarsest layout up to full size [R], chapter 03."""

    def __init__(self, *, config: ModelConfig):
        super().__init__()
        self.smallest = 1 / 2**config.doublings
        wide, *narrowing = (config.trunk_channels(m) for m in (16, 8, 4, 2, 1))
        if config.upsampling == "most":
            narrowing.append(config.feature_channels)
        self.entry = convolution(config.semantic_channels, wide)
        widths = [wide, wide, wide, wide, *narrowing]
        self.blocks = nn.ModuleList(
            SPADEResBlock(channels_in=before, channels_out=after, config=config)
            for before, after in zip(widths[:-1], widths[1:], strict=True)
        )
        # The head stays small, "normal" keeps the size before the second middle block.
        self.doubles = [False, True, config.upsampling != "normal"] + [True] * len(narrowing)

    def forward(self, semantics: Float[Tensor, "b s h w"]) -> list[Tensor]:
        r"""The output of every block, coarse to fine; the last is ``F``, ``b c h w``."""
        x, outputs = self.entry(scale(semantics, self.smallest)), []
        for block, double in zip(self.blocks, self.doubles, strict=True):
            x = block(scale(x, 2) if double else x, semantics)
            outputs.append(x)
        return outputs
