r"""The generator: shared encoder, edge and image branches, edge transfer, semantic preserving."""

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ecgan.config import ModelConfig
from ecgan.method.layers import LEAK, channels_last, convolution
from ecgan.method.layouts import LayoutError
from ecgan.method.semantic_preserving import SemanticPreservingModule
from ecgan.method.spade import LayoutPyramid, SPADEResBlock

BRANCH_CHANNELS = (32, 16, 8)
MODALITIES = ("edge", "first", "final")
WIDE = 16  # channels of a layout above which looking them up beats convolving them


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    r"""Everything one forward pass makes. Pictures are ``b 3 h w``.

    ``edge`` and ``final`` lie in [-1, 1]; ``first`` may leave it, up to 1.73 [R]. Without the
    semantic preserving module ``final`` is ``first``; without the edge branch ``edge`` is None.
    ``scales`` are the encoder's block outputs, coarse to fine; the last is ``features`` (F).
    The lists of three run over the hidden layers of the branches: ``attention`` is
    sigmoid(edge features), ``transferred`` are the image features after the transfer.
    """

    edge: Float[Tensor, "b 3 h w"] | None
    first: Float[Tensor, "b 3 h w"]
    final: Float[Tensor, "b 3 h w"]
    features: Float[Tensor, "b c h w"]
    scales: list[Tensor]
    edge_features: list[Tensor]
    image_features: list[Tensor]
    attention: list[Tensor]
    transferred: list[Tensor]
    class_maps: Float[Tensor, "b k h w"] | None
    gates: Float[Tensor, "b k"] | None

    def pictures(self) -> dict[str, Float[Tensor, "b 3 h w"]]:
        r"""The modalities that this model has, in the order edge, first, final."""
        made = {"edge": self.edge, "first": self.first}
        if self.gates is not None:
            made["final"] = self.final
        return {name: picture for name, picture in made.items() if picture is not None}

    def detach(self) -> "Synthesis":
        r"""The same tensors, cut from the graph."""

        def cut(value):
            if isinstance(value, list):
                return [tensor.detach() for tensor in value]
            return None if value is None else value.detach()

        return Synthesis(**{f.name: cut(getattr(self, f.name)) for f in fields(self)})


class SharedEncoder(nn.Module):
    r"""The trunk ``E``: SPADE blocks from the coarsest layout up to full size [R], chapter 03."""

    def __init__(self, *, config: ModelConfig):
        super().__init__()
        self.shrink = 2**config.doublings
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

    def forward(self, layout: LayoutPyramid) -> list[Tensor]:
        r"""The output of every block, coarse to fine; the last is ``F``, ``b c h w``."""
        x = self.entry(layout.at(*(int(side) // self.shrink for side in layout.full.shape[-2:])))
        outputs = []
        for block, double in zip(self.blocks, self.doubles, strict=True):
            x = block(F.interpolate(x, scale_factor=2, mode="nearest") if double else x, layout)
            outputs.append(x)
        return outputs


class Branch(nn.Module):
    r"""Four 3 x 3 convolutions c -> 32 -> 16 -> 8 -> 3, each on LeakyReLU of the one before [R]."""

    def __init__(self, *, channels: int):
        super().__init__()
        widths = (channels, *BRANCH_CHANNELS)
        self.hidden = nn.ModuleList(
            convolution(before, after)
            for before, after in zip(widths[:-1], widths[1:], strict=True)
        )
        self.last = convolution(BRANCH_CHANNELS[-1], 3)


class EdgeGenerator(Branch):
    r"""Features ``F`` to the edge map, [-1, 1] [R]."""

    def forward(self, features: Float[Tensor, "b c h w"]) -> tuple[Tensor, list[Tensor]]:
        r"""The edge map ``b 3 h w`` and the three hidden layers' features."""
        hidden = []
        for layer in self.hidden:
            features = layer(F.leaky_relu(features, LEAK))
            hidden.append(features)
        return torch.tanh(self.last(F.leaky_relu(features, LEAK))), hidden


class AttentionGuidedEdgeTransfer(nn.Module):
    r"""``image * sigmoid(edge) + image``: edges amplify image features, at most twofold [R], 04."""

    def forward(
        self, image: Float[Tensor, "b c h w"], edge: Float[Tensor, "b c h w"]
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b c h w"]]:
        r"""The transferred features and the attention, in (0, 1)."""
        attention = torch.sigmoid(edge)
        return attention * image + image, attention


class ImageGenerator(Branch):
    r"""Features ``F`` to the first image ``I'``, guided by the edge branch at every layer [R]."""

    def __init__(self, *, channels: int):
        super().__init__(channels=channels)
        self.transfer = AttentionGuidedEdgeTransfer()

    def forward(
        self,
        features: Float[Tensor, "b c h w"],
        edge: Float[Tensor, "b 3 h w"] | None,
        edge_features: list[Tensor],
    ) -> tuple[Tensor, list[Tensor], list[Tensor], list[Tensor]]:
        r"""``I'``, then per layer: features before the transfer, attention, features after.

        With ``edge`` None nothing is transferred and the last two lists are empty.
        """
        before, attention, after = [], [], []
        for level, layer in enumerate(self.hidden):
            features = layer(F.leaky_relu(features, LEAK))
            before.append(features)
            if edge is not None:
                features, weights = self.transfer(features, edge_features[level])
                attention.append(weights)
                after.append(features)
        image = torch.tanh(self.last(F.leaky_relu(features, LEAK)))
        if edge is not None:
            image, _ = self.transfer(image, edge)
        return image, before, attention, after


class Generator(nn.Module):
    r"""ECGAN's generator: semantic input ``b s h w`` to :class:`Synthesis` [R].

    Height and width are any multiples of 2 to the number of doublings. Raises
    :class:`LayoutError` for an input of another shape.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.encoder = SharedEncoder(config=config)
        channels = config.feature_channels
        self.image_generator = ImageGenerator(channels=channels)
        self.edge_generator = EdgeGenerator(channels=channels) if config.edge_branch else None
        width = channels + 3 + 3 * config.edge_branch + config.semantic_channels
        self.semantic_preserving = (
            SemanticPreservingModule(channels=width, classes=config.classes)
            if config.semantic_preserving
            else None
        )

    def forward(self, semantics: Tensor) -> Synthesis:
        r"""Edge map, first and final image, and the features between, for a batch of layouts."""
        self._check(semantics)
        layout = self.pyramid(semantics)
        scales = self.encoder(layout)
        features = scales[-1]
        edge, edge_features = None, []
        if self.edge_generator is not None:
            edge, edge_features = self.edge_generator(features)
        guide = edge if self.config.edge_transfer else None
        first, before, attention, after = self.image_generator(features, guide, edge_features)
        final, maps, gates = first, None, None
        if self.semantic_preserving is not None:
            wide = self.config.semantic_channels > WIDE
            distinct = layout.neighbourhoods(*semantics.shape[-2:]) if wide else None
            parts = [features, first, edge, layout.full if distinct is None else None]
            # Of one picture, einops.pack would lose that its channels lie side by side.
            stack = torch.cat([part for part in parts if part is not None], dim=1)
            final, maps, gates = self.semantic_preserving(stack, distinct)
        return Synthesis(
            edge=edge,
            first=first,
            final=final,
            features=features,
            scales=scales,
            edge_features=edge_features,
            image_features=before,
            attention=attention,
            transferred=after,
            class_maps=maps,
            gates=gates,
        )

    def pyramid(self, semantics: Tensor) -> LayoutPyramid:
        r"""The layout at every size; a hook for other ways to prepare it."""
        return LayoutPyramid(channels_last(semantics))

    def _check(self, semantics: Tensor) -> None:
        config, step = self.config, 2**self.config.doublings
        fits = semantics.ndim == 4 and semantics.shape[1] == config.semantic_channels
        if not fits or not semantics.numel() or any(side % step for side in semantics.shape[-2:]):
            raise LayoutError(
                f"the semantic input has shape {tuple(semantics.shape)}; this config needs "
                f"(batch >= 1, {config.semantic_channels}, height, width), both multiples of "
                f"{step}: make it with ecgan.method.layouts.semantics(labels, config=config)"
            )
        if not semantics.is_floating_point():
            raise LayoutError(
                f"the semantic input has dtype {semantics.dtype}; it must be floating point: "
                f"make it with ecgan.method.layouts.semantics(labels, config=config)"
            )
