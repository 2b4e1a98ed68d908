r"""The generator: shared encoder, edge and image branch, edge transfer, semantic preserving."""

from dataclasses import dataclass, fields

from jaxtyping import Float
from torch import Tensor, nn

from ecgan.config import ModelConfig
from ecgan.method.edge_transfer import EdgeGenerator, ImageGenerator
from ecgan.method.encoder import SharedEncoder
from ecgan.method.layouts import LayoutError
from ecgan.method.semantic_preserving import SemanticPreservingModule

MODALITIES = ("edge", "first", "final")


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


class Generator(nn.Module):
    r"""ECGAN's generator: semantic input ``b s h w`` to :class:`Synthesis` [R].

    Height and width may be any multiples of ``2**config.doublings``, not only the config's: all
    layers are convolutions. Raises :class:`LayoutError` for any other input.
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
        scales = self.encoder(semantics)
        features = scales[-1]
        edge, edge_features = None, []
        if self.edge_generator is not None:
            edge, edge_features = self.edge_generator(features)
        guide = edge if self.config.edge_transfer else None
        first, before, attention, after = self.image_generator(features, guide, edge_features)
        final, maps, gates = first, None, None
        if self.semantic_preserving is not None:
            edges = [] if edge is None else [edge]
            final, maps, gates = self.semantic_preserving(features, first, *edges, semantics)
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

    def _check(self, semantics: Tensor) -> None:
        channels, step = self.config.semantic_channels, 2**self.config.doublings
        shape = tuple(semantics.shape)
        fits = semantics.ndim == 4 and shape[1] == channels and min(shape) >= 1
        if not fits or shape[2] % step or shape[3] % step:
            raise LayoutError(
                f"the semantic input has shape {shape}; this config needs (batch >= 1, {channels}, "
                f"height, width), both multiples of {step}: make it with "
                f"ecgan.method.layouts.semantics(labels, config=config)"
            )
        if not semantics.is_floating_point():
            raise LayoutError(
                f"the semantic input has dtype {semantics.dtype}; it must be floating point: "
                f"make it with ecgan.method.layouts.semantics(labels, config=config)"
            )
