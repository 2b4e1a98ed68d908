r"""The full objective: every term by name, raw and weighted, as the config says (chapter 08).

The paper's [S], brace by brace: the multi-modality adversarial loss; the similarity loss, of the
first and of the final image; the contrastive learning loss, which is pixel-wise contrast and
class-specific generation; feature matching; the perceptual loss. Cross-entropy is ours [I].
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecgan.config import Config, ConfigError, Number
from ecgan.method.batch import Batch
from ecgan.method.generator import Synthesis
from ecgan.method.layers import frozen
from ecgan.method.layouts import IGNORE
from ecgan.method.losses.adversarial import feature_matching, hinge_discriminator, hinge_generator
from ecgan.method.losses.class_specific import ClassSpecificDecoder, class_specific
from ecgan.method.losses.contrastive import alone
from ecgan.method.losses.finite import full_precision, require_finite
from ecgan.method.losses.perceptual import PerceptualLoss, PixelsAndFeatures, perceptual
from ecgan.method.losses.pixel_contrast import PixelContrast
from ecgan.method.losses.similarity import affinity_bce, affinity_bce_sampled

Judged = dict[str, list[list[Tensor]]]
READERS = {
    "vgg19": "ecgan.readers.vgg.published_vgg19()",
    "lite": "ecgan.readers.lite.published_lite()",
}


@dataclass(frozen=True, kw_only=True)
class Terms:
    r"""Loss terms by name: ``raw`` values and their ``weights``."""

    raw: dict[str, Tensor]
    weights: dict[str, Number]

    @property
    def weighted(self) -> dict[str, Tensor]:
        r"""Each raw value times its weight."""
        return {name: self.weights[name] * value for name, value in self.raw.items()}

    @property
    def total(self) -> Tensor:
        r"""The sum of the weighted terms; NonFiniteLoss names a term that is not finite."""
        for name, value in self.raw.items():
            require_finite(name, value)
        return sum(self.weighted.values())


class Objective(nn.Module):
    r"""Sums the losses of ``config.losses``; a term of weight 0 is not computed.

    ``segmenter``, frozen here, is the label generator of the similarity and cross-entropy terms,
    and the perceptual features' source where the config says so. ``perceptual`` gives all others:
    a module that maps images ``b 3 h w`` in [-1, 1] to feature maps and has their ``weights``.
    What is trained here with the generator are the projection heads and the class-specific decoder.
    ``gather`` and ``rank`` let the contrast see the pixels of other processes. Raises
    :class:`ConfigError` where a term lacks its network.
    """

    def __init__(
        self,
        *,
        config: Config,
        segmenter: nn.Module | None = None,
        perceptual: nn.Module | None = None,
        gather: Callable[[Tensor], Tensor] = alone,
        rank: int = 0,
    ):
        super().__init__()
        self.config = config
        weights, model = config.losses, config.model
        self.reads_features = bool(
            weights.perceptual and weights.perceptual_features == "segmenter"
        )
        if weights.segmenter_terms and segmenter is None:
            raise ConfigError(
                "these losses need a label generator: pass segmenter=..., or set similarity, "
                "cross_entropy and the segmenter's share of perceptual to 0"
            )
        self.segmenter = None if segmenter is None else frozen(segmenter)
        self.perceptual = self._perceptual(perceptual) if weights.perceptual else None
        self.contrast = self._contrast(gather, rank) if weights.contrastive else None
        self.decoder = (
            ClassSpecificDecoder(channels=model.feature_channels, classes=model.classes)
            if weights.class_specific
            else None
        )

    def _perceptual(self, reader: nn.Module | None) -> PerceptualLoss:
        name = self.config.losses.perceptual_features
        if name == "segmenter":
            reader = PixelsAndFeatures(segmenter=self.segmenter)
        if reader is None:
            raise ConfigError(
                f"the perceptual loss needs its network, {name!r}: pass perceptual="
                f"{READERS.get(name, '...')}, or set perceptual=0, or "
                f"perceptual_features='segmenter'"
            )
        return PerceptualLoss(extractor=reader, weights=reader.weights)

    def _contrast(self, gather: Callable[[Tensor], Tensor], rank: int) -> PixelContrast:
        model, contrast = self.config.model, self.config.losses.contrast
        widths = [model.trunk_channels(m) for m in (16, 16, 16, 8, 4, 2, 1)]
        if model.upsampling == "most":
            widths.append(model.feature_channels)
        return PixelContrast(
            channels=widths[-contrast.scales :],
            dim=contrast.dim,
            temperature=contrast.temperature,
            per_class=contrast.per_class,
            across_layouts=contrast.across_layouts,
            together=contrast.together,
            cross_scale=contrast.cross_scale,
            memory_per_class=contrast.memory_per_class,
            classes=model.classes,
            gather=gather,
            rank=rank,
        )

    def train(self, mode: bool = True) -> "Objective":
        r"""Training mode for what is trained here; the label generator stays as it is."""
        super().train(mode)
        if self.segmenter is not None:
            self.segmenter.eval()
        return self

    def part_ways(self) -> None:
        r"""From here on the contrast sees this process's pixels alone."""
        if self.contrast is not None:
            self.contrast.gather, self.contrast.rank = alone, 0

    def own_parameters(self) -> list[nn.Parameter]:
        r"""What is trained here, beside the generator."""
        own = [part for part in (self.contrast, self.decoder) if part is not None]
        return [parameter for part in own for parameter in part.parameters()]

    def generator_terms(
        self, made: Synthesis, batch: Batch, judged_fake: Judged, judged_real: Judged
    ) -> Terms:
        r"""The generator's terms; ``judged_*`` hold the discriminator's results by modality."""
        weights, raw = self.config.losses, {}
        share = {name: weights.modality(name) for name in judged_fake}
        pictures = made.pictures()

        def over_modalities(loss):
            return sum(share[name] * loss(name) for name in share)

        if weights.adversarial:
            raw["adversarial"] = over_modalities(lambda name: hinge_generator(judged_fake[name]))
        if weights.feature_matching:
            raw["feature_matching"] = over_modalities(
                lambda name: feature_matching(judged_fake[name], judged_real[name])
            )
        features = {}
        if weights.perceptual:
            features = {name: self.perceptual.extractor(pictures[name]) for name in share}
            real = self._real_features(batch, edges="edge" in share)
            raw["perceptual"] = over_modalities(
                lambda name: perceptual(features[name], real[name], self.perceptual.weights)
            )
        if weights.contrastive:
            scales = made.scales[-weights.contrast.scales :]
            raw["contrastive"] = self.contrast(scales, batch.labels)
        if weights.class_specific:
            image = self.decoder(made.features, batch.labels)
            classes = self.config.model.classes
            raw["class_specific"] = class_specific(
                image, batch.images, batch.labels, classes=classes
            )
        if weights.similarity or weights.cross_entropy:
            images = [name for name in pictures if name != "edge"]
            terms = [
                self._label_terms(self._scores(pictures[name], features.get(name)), batch.labels)
                for name in images
            ]
            raw |= {name: sum(each[name] for each in terms) for name in terms[0]}
        return Terms(raw=raw, weights={name: getattr(weights, name) for name in raw})

    @torch.no_grad()
    def _real_features(self, batch: Batch, *, edges: bool) -> dict[str, list[Tensor]]:
        r"""The features that each modality should have; the image is the target of two."""
        of_image = self.perceptual.target(batch.images)
        of_edges = {"edge": self.perceptual.target(batch.edges)} if edges else {}
        return of_edges | {"first": of_image, "final": of_image}

    def _scores(self, image: Tensor, features: list[Tensor] | None) -> Tensor:
        r"""The label generator's class scores; from its features where they are known already."""
        if features is None or not self.reads_features:
            return self.segmenter(image)
        _, *maps = features
        return self.segmenter.scores(maps)

    def _label_terms(self, scores: Tensor, labels: Tensor) -> dict[str, Tensor]:
        r"""What the label generator says of one image: of lone pixels, and of pairs."""
        weights, raw, scores = self.config.losses, {}, full_precision(scores)
        if weights.cross_entropy:
            total = F.cross_entropy(scores, labels, ignore_index=IGNORE, reduction="sum")
            raw["cross_entropy"] = total / (labels != IGNORE).sum().clamp(min=1)
        if weights.similarity:
            probabilities = scores.softmax(dim=1)
            pairs = weights.similarity_pairs
            raw["similarity"] = (
                affinity_bce(probabilities, labels)
                if pairs is None
                else affinity_bce_sampled(probabilities, labels, pairs=pairs).value
            )
        return raw

    def discriminator_terms(self, judged_fake: Judged, judged_real: Judged) -> Terms:
        r"""The discriminator's hinge terms, "fake" and "real", with the modalities' weights [R]."""
        share = {name: self.config.losses.modality(name) for name in judged_fake}
        raw = {
            "fake": sum(
                w * hinge_discriminator(judged_fake[m], real=False) for m, w in share.items()
            ),
            "real": sum(
                w * hinge_discriminator(judged_real[m], real=True) for m, w in share.items()
            ),
        }
        return Terms(raw=raw, weights=dict.fromkeys(raw, self.config.losses.adversarial))
