r"""Every choice of a model and its training, as frozen dataclasses."""

from dataclasses import asdict, dataclass, field
from typing import Literal

from ecgan import ranges
from ecgan.ranges import DOUBLINGS, ConfigError, Precision

__all__ = ["DOUBLINGS", "ConfigError", "Precision"]
Number = float | int
Edges = Literal["compute", "read"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    r"""What the generator and the discriminator are made of.

    Sizes are in pixels and widths in channels. ``upsampling`` says how often the trunk doubles
    its size: 5 times for "normal", 6 for "more", 7 for "most" [R], so ``height`` and ``width``
    must be multiples of 32, 64 or 128. ``max_channels`` caps the trunk's width (``None``: 16 times
    ``base_channels``, as released [R]). The last three switches take the paper's parts out, for
    the ablation [I]. Raises :class:`ConfigError` for a value outside these ranges.
    """

    classes: int
    dont_care: bool = False
    instance_boundaries: bool = False
    height: int = 256
    width: int = 256
    base_channels: int = 64
    spade_hidden: int = 128
    upsampling: Literal["normal", "more", "most"] = "normal"
    max_channels: int | None = None
    edge_branch: bool = True
    edge_transfer: bool = True
    semantic_preserving: bool = True

    def __post_init__(self):
        ranges.check_model(self)

    @property
    def doublings(self) -> int:
        r"""How often the trunk doubles its size."""
        return DOUBLINGS[self.upsampling]

    @property
    def semantic_channels(self) -> int:
        r"""Channels of the network's input: classes, don't care, instance boundary [R]."""
        return self.classes + self.dont_care + self.instance_boundaries

    def trunk_channels(self, multiple: int) -> int:
        r"""``multiple`` times the base width, under the cap."""
        width = multiple * self.base_channels
        return width if self.max_channels is None else min(width, self.max_channels)

    @property
    def feature_channels(self) -> int:
        r"""Channels of the shared encoder's output ``F``: c, and c/2 for "most" [R]."""
        return self.base_channels // 2 if self.upsampling == "most" else self.base_channels


@dataclass(frozen=True, kw_only=True)
class ContrastConfig:
    r"""How pixels are drawn and compared by the contrastive loss; see chapter 07.

    ``scales`` counts feature maps of the trunk, the finest first. Raises :class:`ConfigError` for
    numbers out of range and for choices that exclude each other.
    """

    temperature: Number = 0.1
    per_class: int = 64
    dim: int = 128
    across_layouts: bool = True
    together: int | None = None
    scales: int = 1
    cross_scale: bool = False
    memory_per_class: int = 0

    def __post_init__(self):
        ranges.check_contrast(self)


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    r"""Weights of the terms (0 switches one off) and of the modalities edge, first, final.

    Released weights: adversarial 1, feature matching 10, perceptual 10; edge 1, first 1,
    final 2 [R]. The others are 1, as re-implementers have them [P]. ``similarity`` weighs its whole
    brace, the losses of the first and of the final image together. ``contrastive`` and
    ``class_specific`` are the two halves of the paper's contrastive learning loss [S].
    ``cross_entropy`` is the label generator's plain per-pixel loss of the same two images, so that
    it can be exchanged for the similarity loss like for like; 0 unless asked for [I].
    ``similarity_pairs`` are drawn an image; None compares every pair.
    """

    adversarial: Number = 1.0
    feature_matching: Number = 10.0
    perceptual: Number = 10.0
    contrastive: Number = 1.0
    similarity: Number = 1.0
    class_specific: Number = 1.0
    cross_entropy: Number = 0.0
    edge: Number = 1.0
    first: Number = 1.0
    final: Number = 2.0
    perceptual_features: Literal["vgg19", "lite", "segmenter"] = "vgg19"
    similarity_pairs: int | None = 4096
    contrast: ContrastConfig = field(default_factory=ContrastConfig)

    def __post_init__(self):
        for name, value in vars(self).items():
            if isinstance(value, Number) and name != "similarity_pairs":
                ranges.require(
                    0 <= value < float("inf"),
                    f"losses.{name} is {value}; a weight is 0 (off) or a positive number",
                )
        ranges.require(
            self.perceptual_features in ("vgg19", "lite", "segmenter"),
            f"losses.perceptual_features is {self.perceptual_features!r}; allowed are "
            f'"vgg19", "lite", "segmenter"',
        )
        ranges.check_losses(self)

    @property
    def segmenter_terms(self) -> tuple[str, ...]:
        r"""The terms that ask a segmenter, those of weight 0 left out."""
        asked = ["similarity", "cross_entropy"]
        if self.perceptual_features == "segmenter":
            asked.append("perceptual")
        return tuple(name for name in asked if getattr(self, name))

    def modality(self, name: str) -> Number:
        r"""Weight of "edge", "first" or "final"."""
        return {"edge": self.edge, "first": self.first, "final": self.final}[name]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    r"""The optimiser and its schedule. Released: Adam, betas (0, 0.9), G 1e-4 and D 4e-4 [R].

    ``constant`` is the share of the steps before the learning rate falls linearly to zero.
    ``simultaneous`` updates share one generator forward; the released schedule alternates [R].
    ``ema`` is the decay of the averaged generator, 0 for none [I]. An update adds up the gradients
    of ``accumulate`` batches of ``batch_size`` in each process.
    """

    steps: int = 1000
    batch_size: int = 4
    generator_rate: Number = 1e-4
    discriminator_rate: Number = 4e-4
    betas: tuple[Number, Number] = (0.0, 0.9)
    constant: Number = 0.5
    simultaneous: bool = True
    ema: Number = 0.0
    seed: int = 0
    precision: Precision = "fp32"
    accumulate: int = 1

    def __post_init__(self):
        ranges.check_training(self)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    r"""What is loaded, and how: scenes of the data set ``name``.

    ``load_size`` is the shorter side before a random crop, in pixels; ``flip`` mirrors every other
    scene; ``images`` are drawn by the toy world, folders have what they have. ``scale`` is for
    pictures larger than the model: crops of the model's size are cut at random places, each at a
    scale drawn between the two numbers (1: native resolution, 0.5: halved), and validated on side
    by side; None fits whole pictures. ``crops_per_image`` are drawn an epoch; None: as many as lie
    side by side in it.
    """

    name: str
    load_size: int | None = None
    flip: bool = True
    images: int | None = None
    scale: tuple[Number, Number] | None = None
    crops_per_image: int | None = None

    def __post_init__(self):
        ranges.check_data(self)


@dataclass(frozen=True, kw_only=True)
class Config:
    r"""Model, losses, training and data of one run; some term must have a weight."""

    model: ModelConfig
    data: DataConfig
    losses: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self):
        ranges.check_whole(self)

    def to_dict(self) -> dict:
        r"""Plain nested dict, for JSON."""
        return asdict(self)
