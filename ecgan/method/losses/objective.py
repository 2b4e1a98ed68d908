r"""The full objective: every term by name, raw and weighted, as the config says (chapter 08)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ecgan.config import Config, ConfigError, Number
from ecgan.method.batch import Batch
from ecgan.method.generator import Synthesis
from ecgan.method.layers import channels_last
from ecgan.method.layouts import IGNORE
from ecgan.method.losses.adversarial import feature_matching, hinge_discriminator, hinge_generator
from ecgan.method.losses.class_specific import ClassSpecificDecoder, class_specific
from ecgan.method.losses.finite import require_finite
from ecgan.method.losses.perceptual import VGG_WEIGHTS, PerceptualLoss, perceptual
from ecgan.method.losses.pixel_contrast import PixelContrast
from ecgan.method.losses.similarity import affinity_bce, affinity_bce_sampled
from ecgan.readers.segmenter import frozen

Judged = dict[str, list[list[Tensor]]]


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
        r"""The sum of the weighted terms; NonFiniteLoss names the term that is not finite."""
        for name, value in self.raw.items():
            require_finite(name, value)
        return sum(self.weighted.values())


class PixelsAndFeatures(nn.Module):
    r"""The image itself, then a segmenter's feature maps: what stands in for VGG-19 [I].

    A segmenter forgets colours that tell no class; VGG's first layer does not, so pixels stay in.
    """

    def __init__(self, *, segmenter: nn.Module):
        super().__init__()
        self.segmenter = segmenter

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        r"""Maps from pixels to the coarsest features."""
        return [images, *self.segmenter.features(images)]

    @property
    def weights(self) -> tuple[float, ...]:
        r"""1 for the pixels, 1 shared equally among the feature maps."""
        levels = self.segmenter.levels
        return (1.0, *[1 / levels] * levels)


class Objective(nn.Module):
    r"""Sums the losses of ``config.losses``; a term of weight 0 is not computed.

    ``segmenter``, frozen here, is the label generator of the similarity and cross-entropy terms,
    and the perceptual features' source where the config says so; ``vgg`` gives the published ones,
    of VGG-19 or (:class:`ecgan.readers.lite.Lite`) of the lite network.
    Its own parameters, the projection heads and the class-specific decoder, are trained with the
    generator. Raises :class:`ConfigError` where a term lacks its network.
    """

    def __init__(
        self, *, config: Config, segmenter: nn.Module | None = None, vgg: nn.Module | None = None
    ):
        super().__init__()
        self.config = config
        weights, model = config.losses, config.model
        needs_segmenter = weights.similarity or weights.cross_entropy
        if weights.perceptual and weights.perceptual_features == "segmenter":
            needs_segmenter = True
        if needs_segmenter and segmenter is None:
            raise ConfigError(
                "these losses need a label generator: pass segmenter=..., or set similarity, "
                "cross_entropy and the segmenter's share of perceptual to 0"
            )
        if weights.perceptual and weights.perceptual_features == "lite" and vgg is None:
            raise ConfigError(
                "the perceptual loss needs the lite network: pass "
                "vgg=ecgan.readers.lite.published_lite(), or set perceptual=0"
            )
        if weights.perceptual and weights.perceptual_features == "vgg19" and vgg is None:
            raise ConfigError(
                "the perceptual loss needs VGG-19: pass vgg=ecgan.readers.vgg.published_vgg19(), "
                "or set perceptual=0, or perceptual_features='segmenter'"
            )
        self.segmenter = None if segmenter is None else frozen(segmenter)
        self.perceptual = self._perceptual(vgg) if weights.perceptual else None
        self.contrast = self._contrast() if weights.contrastive else None
        self.decoder = (
            ClassSpecificDecoder(channels=model.feature_channels)
            if weights.class_specific
            else None
        )

    def _perceptual(self, vgg: nn.Module | None) -> PerceptualLoss:
        if self.config.losses.perceptual_features == "vgg19":
            return PerceptualLoss(extractor=vgg, weights=VGG_WEIGHTS)
        if self.config.losses.perceptual_features == "lite":
            return PerceptualLoss(extractor=vgg, weights=vgg.weights)
        extractor = PixelsAndFeatures(segmenter=self.segmenter)
        return PerceptualLoss(extractor=extractor, weights=extractor.weights)

    def _contrast(self) -> PixelContrast:
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
        )

    def train(self, mode: bool = True) -> "Objective":
        r"""Training mode for what is trained here; the label generator stays as it is."""
        super().train(mode)
        if self.segmenter is not None:
            self.segmenter.eval()
        return self

    def own_parameters(self) -> list[nn.Parameter]:
        r"""What is trained here, beside the generator."""
        own = [part for part in (self.contrast, self.decoder) if part is not None]
        return [parameter for part in own for parameter in part.parameters()]

    def generator_terms(
        self, made: Synthesis, batch: Batch, judged_fake: Judged, judged_real: Judged
    ) -> Terms:
        r"""The generator's terms; ``judged_*`` hold the discriminator's results by modality."""
        weights = self.config.losses
        share = {name: weights.modality(name) for name in judged_fake}

        def over_modalities(loss):
            return sum(share[name] * loss(name) for name in share)

        raw = {}
        if weights.adversarial:
            raw["adversarial"] = over_modalities(lambda name: hinge_generator(judged_fake[name]))
        if weights.feature_matching:
            raw["feature_matching"] = over_modalities(
                lambda name: feature_matching(judged_fake[name], judged_real[name])
            )
        if weights.perceptual:
            features = self._features(made.pictures())
            real = self._real_features(batch, share)
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
            if weights.perceptual and weights.perceptual_features == "segmenter":
                _, *seen = features[list(features)[-1]]  # the last picture was looked at already
                scores = self.segmenter.scores(seen)
            else:
                scores = self.segmenter(channels_last(made.final))
            raw |= self._label_terms(scores, batch.labels)
        return Terms(raw=raw, weights={name: getattr(weights, name) for name in raw})

    def _features(self, pictures: Mapping) -> dict:
        r"""The perceptual features of each picture, from one joint pass."""
        stacked = torch.cat([channels_last(picture) for picture in pictures.values()])
        maps = [level.chunk(len(pictures)) for level in self.perceptual.extractor(stacked)]
        return {name: list(own) for name, own in zip(pictures, zip(*maps), strict=True)}

    @torch.no_grad()
    def _real_features(self, batch: Batch, names: Iterable[str]) -> dict[str, list[Tensor]]:
        r"""The same of the real pictures; the image, the target of two, goes in once."""
        targets = batch.targets(names)
        once = {id(picture): picture for picture in targets.values()}
        features = self._features(once)
        return {name: features[id(picture)] for name, picture in targets.items()}

    def _label_terms(self, scores: Tensor, labels: Tensor) -> dict[str, Tensor]:
        weights, raw = self.config.losses, {}
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
