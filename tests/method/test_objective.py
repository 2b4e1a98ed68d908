r"""The sum of the losses: every term raw and weighted, each one's network, what is left out."""

from dataclasses import fields, replace

import pytest
import torch
import torch.nn.functional as F

from ecgan import Discriminator, Generator
from ecgan.config import ConfigError, ContrastConfig
from ecgan.method.batch import Batch
from ecgan.method.layouts import semantics
from ecgan.method.losses import (
    NonFiniteLoss,
    affinity_bce,
    class_specific,
    feature_matching,
    hinge_discriminator,
    hinge_generator,
)
from ecgan.method.losses.objective import Objective, Terms
from ecgan.method.losses.perceptual import VGG_WEIGHTS, PixelsAndFeatures
from support import tiny_run
from support.networks import BUILD, awake

SHARE = {"edge": 1, "first": 1, "final": 2}
TERMS = (
    "adversarial",
    "feature_matching",
    "perceptual",
    "contrastive",
    "class_specific",
    "cross_entropy",
    "similarity",
)


class Pyramid(torch.nn.Module):
    r"""Five feature maps, as VGG-19 gives them, of no cost; counts what it is shown."""

    weights = VGG_WEIGHTS

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 2, 3)
        self.seen = []

    def forward(self, images):
        self.seen.append(images)
        return [self.conv(images) * scale for scale in range(1, 6)]


class Scene:
    r"""A batch, what untrained networks make of it, and the discriminator's results."""

    def __init__(self, **model):
        self.config = tiny_run.config(model=model)
        generator = awake(Generator(self.config.model)).eval()
        discriminator = awake(Discriminator(self.config.model)).eval()
        labels = torch.randint(9, (2, 32, 32))
        layout = semantics(labels, config=self.config.model)
        images, edges = torch.rand(2, 2, 3, 32, 32) * 2 - 1
        self.batch = Batch(labels, layout, images, edges)
        self.made = generator(layout)
        self.fake = discriminator.discriminate(layout, self.made.pictures())
        self.real = discriminator.discriminate(layout, self.batch.targets(self.fake))

    def terms(self, losses, *, batch: Batch | None = None, **networks) -> Terms:
        torch.manual_seed(5)
        objective = Objective(config=replace(self.config, losses=losses), **networks)
        return objective.generator_terms(self.made, batch or self.batch, self.fake, self.real)


@pytest.fixture(scope="module")
def scene() -> Scene:
    torch.manual_seed(2)
    return Scene()


def only(**weights):
    return replace(tiny_run.NOTHING, **weights)


def total(loss) -> float:
    return sum(weight * loss(name) for name, weight in SHARE.items()).item()


def test_every_term_by_name_raw_and_weighted(scene):
    found = scene.terms(tiny_run.LOSSES, segmenter=tiny_run.segmenter())
    assert set(found.raw) == set(found.weights) == set(found.weighted) == set(TERMS)
    for name in TERMS:
        weight = getattr(tiny_run.LOSSES, name)
        assert found.weights[name] == weight
        assert found.weighted[name].item() == pytest.approx(weight * found.raw[name].item())
    assert found.total.item() == pytest.approx(sum(v.item() for v in found.weighted.values()))
    assert all(value.item() != 0 for value in found.raw.values())


@pytest.mark.parametrize("name", TERMS)
def test_a_weight_of_zero_leaves_the_term_out(scene, name):
    losses = replace(tiny_run.LOSSES, **{name: 0})
    found = scene.terms(losses, segmenter=tiny_run.segmenter())
    assert set(found.raw) == set(TERMS) - {name}


@pytest.mark.parametrize("name", TERMS)
def test_a_term_alone_is_what_it_was_in_the_sum(scene, name):
    losses = replace(only(perceptual_features="segmenter"), **{name: 2.5})
    losses = replace(losses, similarity_pairs=None, contrast=ContrastConfig(per_class=9999, dim=4))
    networks = {"segmenter": tiny_run.segmenter()}
    alone = scene.terms(losses, **networks)
    assert set(alone.raw) == {name}
    assert alone.total.item() == pytest.approx(2.5 * alone.raw[name].item())
    more = "feature_matching" if name == "adversarial" else "adversarial"
    both = scene.terms(replace(losses, **{more: 1}), **networks)
    assert set(both.raw) == {name, more}
    assert both.raw[name].item() == pytest.approx(alone.raw[name].item())


def test_nothing_but_what_is_asked_for(scene):
    assert set(scene.terms(only(class_specific=1)).raw) == {"class_specific"}


def test_adversarial_and_feature_matching_over_the_modalities(scene):
    found = scene.terms(only(adversarial=1, feature_matching=10)).raw
    assert found["adversarial"].item() == pytest.approx(
        total(lambda name: hinge_generator(scene.fake[name]))
    )
    assert found["feature_matching"].item() == pytest.approx(
        total(lambda name: feature_matching(scene.fake[name], scene.real[name]))
    )


def test_the_modalities_weights_are_the_configs(scene):
    losses = only(adversarial=1, edge=0, first=0, final=3)
    found = scene.terms(losses).raw["adversarial"]
    assert found.item() == pytest.approx(3 * hinge_generator(scene.fake["final"]).item())


def test_discriminator_terms(scene):
    objective = Objective(config=replace(scene.config, losses=only(adversarial=0.5)))
    found = objective.discriminator_terms(scene.fake, scene.real)
    assert set(found.raw) == {"fake", "real"}
    for name, judged, real in (("fake", scene.fake, False), ("real", scene.real, True)):
        expected = total(lambda m, j=judged, r=real: hinge_discriminator(j[m], real=r))
        assert found.raw[name].item() == pytest.approx(expected)
        assert found.weighted[name].item() == pytest.approx(0.5 * expected)


def test_perceptual_with_vggs_weights(scene):
    features = Pyramid()
    found = scene.terms(only(perceptual=10), perceptual=features).raw["perceptual"]
    targets = {"edge": scene.batch.edges, "first": scene.batch.images, "final": scene.batch.images}

    def distance(name):
        made = features(scene.made.pictures()[name])
        real = features(targets[name])
        return sum(w * F.l1_loss(a, b) for w, a, b in zip(VGG_WEIGHTS, made, real, strict=True))

    assert found.item() == pytest.approx(total(distance), rel=1e-5)
    assert not any(parameter.requires_grad for parameter in features.parameters())


def test_a_real_picture_is_shown_to_the_features_once(scene):
    features = Pyramid()
    scene.terms(only(perceptual=10), perceptual=features)
    expected = [*scene.made.pictures().values(), scene.batch.images, scene.batch.edges]
    assert len(features.seen) == len(expected)
    assert all(map(torch.equal, features.seen, expected))


def test_any_network_may_give_the_perceptual_features(scene):
    features = Pyramid()
    features.weights = (0, 0, 0, 0, 2)
    losses = only(perceptual=1, edge=0, first=0, final=1)
    found = scene.terms(losses, perceptual=features).raw["perceptual"]
    made, real = features(scene.made.final)[-1], features(scene.batch.images)[-1]
    assert found.item() == pytest.approx(2 * F.l1_loss(made, real).item(), rel=1e-5)


def test_pixels_stand_beside_a_segmenters_features(scene):
    segmenter = tiny_run.segmenter().eval()
    extractor = PixelsAndFeatures(segmenter=segmenter)
    maps = extractor(scene.batch.images)
    assert maps[0] is scene.batch.images
    assert len(maps) == 1 + segmenter.levels
    assert extractor.weights == pytest.approx((1, 1 / 3, 1 / 3, 1 / 3))
    losses = only(perceptual=1, perceptual_features="segmenter", edge=0, first=0, final=1)
    found = scene.terms(losses, segmenter=segmenter).raw["perceptual"]
    pixels = F.l1_loss(scene.made.final, scene.batch.images)
    pairs = zip(segmenter.features(scene.made.final), segmenter.features(maps[0]), strict=True)
    rest = sum(F.l1_loss(a, b) for a, b in pairs) / 3
    assert found.item() == pytest.approx((pixels + rest).item(), rel=1e-5)


def ignoring(batch: Batch, share: float) -> Batch:
    ignored = torch.rand(batch.labels.shape) < share
    return batch._replace(labels=torch.where(ignored, 255, batch.labels))


def test_the_label_generators_terms(scene):
    segmenter = tiny_run.segmenter().eval()
    torch.nn.init.normal_(segmenter.score.weight, std=3000)  # untrained, it hardly looks
    batch = ignoring(scene.batch, 0.3)
    losses = only(cross_entropy=1, similarity=1, similarity_pairs=None)
    found = scene.terms(losses, batch=batch, segmenter=segmenter).raw
    plain, exact = [], []
    for image in (scene.made.first, scene.made.final):
        scores = segmenter(image)
        plain.append(F.cross_entropy(scores, batch.labels, ignore_index=255).item())
        exact.append(affinity_bce(scores.softmax(1), batch.labels).item())
    assert plain[0] != pytest.approx(plain[1], rel=1e-3)
    assert found["cross_entropy"].item() == pytest.approx(sum(plain), rel=1e-5)
    assert found["similarity"].item() == pytest.approx(sum(exact), rel=1e-5)


def test_known_features_spare_the_label_generator_its_first_half(scene):
    losses = only(cross_entropy=1, similarity=1, similarity_pairs=None)
    both = replace(losses, perceptual=1, perceptual_features="segmenter")
    segmenter = tiny_run.segmenter().eval()
    apart, together = (scene.terms(each, segmenter=segmenter).raw for each in (losses, both))
    for name in apart:
        torch.testing.assert_close(together[name], apart[name])


def test_without_a_final_image_the_label_generator_reads_the_first():
    scene, segmenter = Scene(semantic_preserving=False), tiny_run.segmenter().eval()
    found = scene.terms(only(similarity=1, similarity_pairs=None), segmenter=segmenter).raw
    exact = affinity_bce(segmenter(scene.made.first).softmax(1), scene.batch.labels)
    assert found["similarity"].item() == pytest.approx(exact.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["first", "final"])
@pytest.mark.parametrize("term", ["similarity", "cross_entropy"])
def test_the_label_generators_gradient_reaches_both_images(scene, term, name):
    found = scene.terms(only(**{term: 1}), segmenter=tiny_run.segmenter())
    picture = getattr(scene.made, name)
    (gradient,) = torch.autograd.grad(found.total, picture, retain_graph=True)
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("name", BUILD)
def test_any_segmenter_may_be_the_label_generator(scene, name):
    losses = only(perceptual=1, cross_entropy=1, similarity=1, perceptual_features="segmenter")
    batch = scene.batch._replace(labels=scene.batch.labels % 5)
    found = scene.terms(losses, batch=batch, segmenter=BUILD[name]())
    (gradient,) = torch.autograd.grad(found.total, scene.made.final, retain_graph=True)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_label_generators_terms_are_never_half_precision(scene, dtype):
    r"""Also where autocast would not see to it: a sum over pixels is more than float16 holds."""

    class Certain(torch.nn.Module):
        def __init__(self, kind):
            super().__init__()
            self.kind = kind

        def forward(self, images):
            scores = torch.zeros(2, 9, 32, 32)
            scores[:, 0] = 60
            return (scores + images[:, :1] * 0).to(self.kind)

    losses = replace(tiny_run.NOTHING, cross_entropy=1, similarity=1, similarity_pairs=None)
    half, whole = (
        scene.terms(losses, segmenter=Certain(kind)).raw for kind in (dtype, torch.float32)
    )
    assert whole["cross_entropy"] > 2 * 65504 / 2048
    for name, value in whole.items():
        assert half[name].dtype == torch.float32
        assert torch.equal(half[name], value)


def test_sampled_similarity_is_near_the_exact(scene):
    networks = {"segmenter": tiny_run.segmenter()}
    exact = scene.terms(only(similarity=1, similarity_pairs=None), **networks).raw["similarity"]
    drawn = scene.terms(only(similarity=1, similarity_pairs=20_000), **networks).raw["similarity"]
    assert drawn.item() == pytest.approx(exact.item(), rel=0.05)
    assert drawn.item() != exact.item()


def test_class_specific_generation_reads_the_features(scene):
    config = replace(scene.config, losses=only(class_specific=1))
    objective = Objective(config=config)
    found = objective.generator_terms(scene.made, scene.batch, scene.fake, scene.real)
    image = objective.decoder(scene.made.features, scene.batch.labels)
    expected = class_specific(image, scene.batch.images, scene.batch.labels, classes=9)
    assert found.raw["class_specific"].item() == pytest.approx(expected.item())
    (gradient,) = torch.autograd.grad(found.total, scene.made.features, retain_graph=True)
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("upsampling", ["normal", "more", "most"])
@pytest.mark.parametrize("scales", [1, 3, 7])
def test_contrast_projects_the_scales_it_is_given(upsampling, scales):
    size = {"normal": 32, "more": 64, "most": 128}[upsampling]
    model = {"upsampling": upsampling, "height": size, "width": size, "base_channels": 2}
    losses = only(contrastive=1, contrast=ContrastConfig(scales=scales, dim=4, per_class=2))
    config = replace(tiny_run.config(model=model), losses=losses)
    labels = torch.randint(9, (1, size, size))
    generator = Generator(config.model).eval()
    layout = semantics(labels, config=config.model)
    batch = Batch(labels, layout, torch.zeros(1, 3, size, size), torch.zeros(1, 3, size, size))
    with torch.no_grad():
        made = generator(layout)
    objective = Objective(config=config)
    assert len(objective.contrast.heads) == scales
    assert objective.generator_terms(made, batch, {}, {}).raw["contrastive"].item() > 0


def test_the_contrast_config_reaches_the_loss():
    contrast = ContrastConfig(
        temperature=0.3, per_class=7, dim=5, scales=2, across_layouts=True, memory_per_class=6,
        cross_scale=True,
    )  # fmt: skip
    loss = Objective(config=tiny_run.config(losses=only(contrastive=1, contrast=contrast))).contrast
    found = (loss.temperature, loss.per_class, loss.cross_scale, loss.across_layouts, loss.scales)
    assert found == (0.3, 7, True, True, 2)
    assert loss.banks[0].embeddings.shape == (9, 6, 5)
    within = replace(contrast, across_layouts=False, memory_per_class=0)
    loss = Objective(config=tiny_run.config(losses=only(contrastive=1, contrast=within))).contrast
    assert not loss.across_layouts
    pairs = replace(contrast, together=2, memory_per_class=0)
    loss = Objective(config=tiny_run.config(losses=only(contrastive=1, contrast=pairs))).contrast
    assert loss.together == 2
    used = {f.name for f in fields(ContrastConfig)}
    assert used == {
        "temperature", "per_class", "dim", "across_layouts", "together", "scales", "cross_scale",
        "memory_per_class",
    }  # fmt: skip


def test_everything_ignored_is_zero_and_not_nan(scene):
    batch = ignoring(scene.batch, 1.1)
    losses = only(cross_entropy=1, similarity=1, contrastive=1, class_specific=1)
    found = scene.terms(losses, batch=batch, segmenter=tiny_run.segmenter())
    assert {name: value.item() for name, value in found.raw.items()} == dict.fromkeys(found.raw, 0)
    assert len(found.raw) == 4
    (gradient,) = torch.autograd.grad(
        found.total, scene.made.final, retain_graph=True, allow_unused=True
    )
    assert gradient.abs().max() == 0


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ({"edge_branch": False, "edge_transfer": False}, {"first", "final"}),
        ({"semantic_preserving": False}, {"edge", "first"}),
    ],
)
def test_a_model_without_a_part_is_judged_on_the_rest(model, names):
    scene = Scene(**model)
    assert set(scene.fake) == names
    found = scene.terms(only(adversarial=1)).raw["adversarial"].item()
    expected = sum(SHARE[name] * hinge_generator(scene.fake[name]) for name in names)
    assert found == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("weights", "facts"),
    [
        ({"similarity": 1}, ["label generator", "segmenter=", "similarity"]),
        ({"cross_entropy": 1}, ["label generator", "cross_entropy"]),
        ({"perceptual": 1, "perceptual_features": "segmenter"}, ["label generator", "perceptual"]),
        ({"perceptual": 1}, ["vgg19", "published_vgg19()", "perceptual=0", "'segmenter'"]),
    ],
)
def test_a_missing_network_says_how_to_get_it_or_do_without(weights, facts):
    with pytest.raises(ConfigError) as error:
        Objective(config=tiny_run.config(losses=only(**weights)))
    assert all(fact in str(error.value) for fact in facts), str(error.value)


@pytest.mark.parametrize("perceptual", [0, 10])
def test_the_label_generator_stays_frozen(perceptual):
    segmenter = tiny_run.segmenter().train()
    losses = replace(tiny_run.LOSSES, perceptual=perceptual)
    objective = Objective(config=tiny_run.config(losses=losses), segmenter=segmenter)
    objective.train()
    assert not segmenter.training
    assert objective.contrast.training
    assert not any(parameter.requires_grad for parameter in segmenter.parameters())
    own = {id(parameter) for parameter in objective.own_parameters()}
    assert not own & {id(parameter) for parameter in segmenter.parameters()}
    trained = [*objective.contrast.heads.parameters(), *objective.decoder.parameters()]
    assert own == {id(parameter) for parameter in trained}


def test_a_term_that_is_not_finite_is_named():
    raw = {"a": torch.tensor(1.0), "b": torch.tensor(float("nan"))}
    terms = Terms(raw=raw, weights={"a": 1, "b": 2})
    with pytest.raises(NonFiniteLoss, match="b loss"):
        _ = terms.total


@pytest.mark.parametrize("name", ["perceptual", "class_specific"])
def test_a_broken_image_is_named_by_its_loss(scene, name):
    images = scene.batch.images.clone()
    images[0, 0, 3, 3] = float("nan")
    losses = only(**{name: 1}, perceptual_features="segmenter")
    with pytest.raises(NonFiniteLoss, match=name.replace("_", ".")):
        scene.terms(
            losses, batch=scene.batch._replace(images=images), segmenter=tiny_run.segmenter()
        )


def test_targets(scene):
    targets = scene.batch.targets(["edge", "first", "final"])
    assert targets["edge"] is scene.batch.edges
    assert targets["first"] is targets["final"] is scene.batch.images
