r"""Parity with the authors' networks: the golden case, a naive twin, and the way back."""

import numpy as np
import pytest
import torch

from ecgan import Discriminator, Generator, ModelConfig
from ecgan.config import Config, DataConfig, LossConfig
from ecgan.method.batch import Batch
from ecgan.method.layouts import semantics
from ecgan.method.losses.objective import Objective
from ecgan.method.spade import LayoutPyramid
from ecgan.weights.released import (
    ReleasedWeightsError,
    load_released,
    released_name,
    released_state,
)
from support import golden_weights
from support import released_reference as reference

TOLERANCE = {"rtol": 0, "atol": 1e-4}
KINDS = {"normal": 32, "more": 64, "most": 128}  # and the smallest size that each can make


def tiny(upsampling="normal", *, dont_care=True, instance_boundaries=True) -> ModelConfig:
    return ModelConfig(
        classes=3,
        dont_care=dont_care,
        instance_boundaries=instance_boundaries,
        height=KINDS[upsampling],
        width=64 if upsampling == "normal" else KINDS[upsampling],
        base_channels=2,
        spade_hidden=3,
        upsampling=upsampling,
    )


def seeded_state(network) -> dict[str, np.ndarray]:
    r"""Weights of order 1 under the authors' names, so that outputs differ from their bias."""
    return golden_weights.weights({n: tuple(v.shape) for n, v in released_state(network).items()})


def random_layout(config: ModelConfig, *, block: int = 1):
    r"""Labels and instances in squares of `block` pixels: noise, or regions."""
    shape = (1, config.height // block, config.width // block)
    maps = torch.stack([torch.randint(config.classes + config.dont_care, shape),
                        torch.randint(3, shape)])  # fmt: skip
    labels, instances = maps.repeat_interleave(block, 2).repeat_interleave(block, 3)
    labels = torch.where(labels == config.classes, 255, labels)
    return labels, instances if config.instance_boundaries else None


@pytest.fixture(scope="module")
def case() -> golden_weights.Case:
    return golden_weights.Case("square")


@pytest.fixture(scope="module")
def layout(case) -> torch.Tensor:
    return semantics(case.labels, case.instances, config=case.config)


@pytest.fixture(scope="module")
def released(case):
    return load_released(case.state("G"), case.state("D"), config=case.config)


def worst(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape
    return (found - expected).abs().max().item()


def test_the_input_is_the_authors(case, layout):
    twin = reference.one_hot(case.labels, 5, True, case.instances)
    assert torch.equal(layout, twin)
    assert layout.shape[1] == case.config.semantic_channels == 7
    assert (layout[:, :6].sum(1) == 1).all()
    assert layout[:, 5].any()
    assert layout[:, 6].any()


def test_golden_pictures(case, layout, released):
    with torch.no_grad():
        made = released.generator(layout)
    assert worst(made.edge, case["edge"]) < 1e-4
    assert worst(made.first, case["image_first"]) < 1e-4
    assert worst(made.final, case["image_final"]) < 1e-4
    # The case can tell: pictures vary, and the first image leaves [-1, 1].
    assert min(case[name].std() for name in ("edge", "image_first", "image_final")) > 0.05


def test_golden_maps(case, layout, released):
    with torch.no_grad():
        scales = released.discriminator(layout, case["real_image"])
    assert len(scales) == 2
    for index, layers in enumerate(scales):
        assert worst(layers[-1], case[f"d_real_scale{index}"]) < 1e-4


def test_golden_losses(case, layout, released):
    config = Config(
        model=case.config,
        data=DataConfig(name="golden"),
        losses=LossConfig(perceptual=0, contrastive=0, similarity=0, class_specific=0),
    )
    batch = Batch(case.labels, layout, case["real_image"], case["real_edge"])
    with torch.no_grad():
        made = released.generator(layout)
        fake = released.discriminator.discriminate(layout, made.pictures())
        real = released.discriminator.discriminate(layout, batch.targets(fake))
        objective = Objective(config=config)
        ours = objective.generator_terms(made, batch, fake, real).weighted
        ours |= objective.discriminator_terms(fake, real).weighted
    theirs = {
        "adversarial": "loss_G_gan",
        "feature_matching": "loss_G_feat",
        "fake": "loss_D_fake",
        "real": "loss_D_real",
    }
    assert set(ours) == set(theirs)
    for name, golden in theirs.items():
        assert ours[name].item() == pytest.approx(case[golden].item(), abs=1e-4), name


def test_the_twin_is_golden_too(case, layout):
    state = {n: torch.from_numpy(w) for n, w in case.state("G").items()}
    pictures = reference.generator(state, layout, upsampling="normal", prefix="G.")
    for found, name in zip(pictures, ("edge", "image_first", "image_final"), strict=True):
        assert worst(found, case[name]) < 1e-4
    maps = reference.discriminator(case.state("D"), layout, case["real_image"], prefix="D.")
    for index, layers in enumerate(maps):
        assert worst(layers[-1], case[f"d_real_scale{index}"]) < 1e-4


@pytest.mark.parametrize("instance_boundaries", [True, False], ids=["instances", "alone"])
@pytest.mark.parametrize("dont_care", [True, False], ids=["dont_care", "all_labelled"])
@pytest.mark.parametrize("upsampling", list(KINDS))
def test_every_kind_equals_the_twin(upsampling, dont_care, instance_boundaries):
    config = tiny(upsampling, dont_care=dont_care, instance_boundaries=instance_boundaries)
    generator_state = seeded_state(Generator(config))
    discriminator_state = seeded_state(Discriminator(config))
    loaded = load_released(generator_state, discriminator_state, config=config)
    assert (loaded.dead, loaded.fresh) == ([], [])
    # Noise is convolved; in regions, distinct neighbourhoods are computed once and gathered.
    for block in (1, 16):
        layout = semantics(*random_layout(config, block=block), config=config)
        gathered = LayoutPyramid(layout).neighbourhoods(config.height, config.width)
        assert (gathered is None) == (block == 1)
        with torch.no_grad():
            made = loaded.generator(layout)
        expected = reference.generator(generator_state, layout, upsampling=upsampling)
        for found, value in zip((made.edge, made.first, made.final), expected, strict=True):
            torch.testing.assert_close(found, value, **TOLERANCE)
        assert made.final.std() > 1e-3
    with torch.no_grad():
        scales = loaded.discriminator(layout, made.final)
    twin = reference.discriminator(discriminator_state, layout, made.final)
    for layers, expected in zip(scales, twin, strict=True):
        for layer, value in zip(layers, expected, strict=True):
            torch.testing.assert_close(layer, value, **TOLERANCE)


def test_names_and_shapes_are_the_authors(case):
    for letter, network in (("G", Generator(case.config)), ("D", Discriminator(case.config))):
        ours = {n: tuple(v.shape) for n, v in released_state(network).items()}
        theirs = {n.removeprefix(letter + "."): w.shape for n, w in case.state(letter).items()}
        dead = {n for n in theirs if n.startswith("fc1.")}
        assert ours == {n: shape for n, shape in theirs.items() if n not in dead}
        assert dead == ({"fc1.weight", "fc1.bias"} if letter == "G" else set())


@pytest.mark.parametrize("upsampling", list(KINDS))
def test_there_and_back(upsampling):
    config = tiny(upsampling)
    networks = Generator(config), Discriminator(config)
    states = [released_state(network) for network in networks]
    generator, discriminator = load_released(*states, config=config)
    for loaded, network, state in zip((generator, discriminator), networks, states, strict=True):
        assert not loaded.training
        for name, value in network.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], value), name
        again = released_state(loaded)
        assert again.keys() == state.keys()
        assert all(torch.equal(again[name], state[name]) for name in state)


def test_the_way_back_gives_copies():
    network = Generator(tiny())
    state = released_state(network)
    state["fc.weight"].zero_()
    assert network.encoder.entry.weight.abs().sum() > 0


@pytest.mark.parametrize("prefix", ["", "G.", "module.", "module.G."])
@pytest.mark.parametrize("kind", ["tensors", "arrays", "doubles"])
def test_prefixes_and_containers(prefix, kind):
    config = tiny()
    plain = seeded_state(Generator(config))
    convert = {
        "tensors": torch.from_numpy,
        "arrays": np.array,
        "doubles": lambda w: w.astype(np.float64),
    }[kind]
    state = {prefix + name: convert(weight) for name, weight in plain.items()}
    found = released_state(load_released(state, None, config=config).generator)
    for name, weight in plain.items():
        assert np.array_equal(found[name].numpy(), weight), name
    assert found["fc.weight"].dtype == torch.float32


def test_dead_weights_are_reported(released, case):
    assert released.dead == ["fc1.bias", "fc1.weight"]
    assert released.fresh == []
    assert len(list(released)) == 2


def test_without_a_discriminator_it_stays_fresh(case):
    loaded = load_released(case.state("G"), None, config=case.config)
    assert loaded.fresh == list(Discriminator(case.config).state_dict())


def test_a_spade_generator_gives_its_trunk():
    config = tiny("more")
    whole = seeded_state(Generator(config))
    branches = ("conv_img", "conv_edge", "conv_comb")
    spade = {n: w for n, w in whole.items() if not n.startswith(branches)}
    assert 0 < len(spade) < len(whole)
    spade |= {"conv_img.weight": np.ones((3, 2, 3, 3), "f"), "conv_img.bias": np.ones(3, "f")}
    loaded = load_released(spade, None, config=config)
    assert loaded.dead == ["conv_img.bias", "conv_img.weight"]
    discriminator = set(Discriminator(config).state_dict())
    fresh = set(loaded.fresh) - discriminator
    parts = ("image_generator.", "edge_generator.", "semantic_preserving.")
    assert fresh == {n for n in loaded.generator.state_dict() if n.startswith(parts)}
    found = released_state(loaded.generator)
    assert all(np.array_equal(found[n].numpy(), w) for n, w in spade.items() if n in found)
    loaded.generator(semantics(*random_layout(config), config=config))


def test_a_spade_generator_without_its_trunk_is_an_error():
    state = seeded_state(Generator(tiny()))
    state = {n: w for n, w in state.items() if not n.startswith(("conv_", "up_1"))}
    state |= {"conv_img.weight": np.ones((3, 2, 3, 3), "f")}
    with pytest.raises(ReleasedWeightsError, match=r"lacks up_1\.norm_0"):
        load_released(state, None, config=tiny())


@pytest.mark.parametrize(
    "name",
    ["fc.bias", "conv_comb2.weight", "up_2.norm_1.mlp_beta.weight", "head_0.conv_0.weight_u"],
)
def test_a_missing_entry_is_named(name):
    state = seeded_state(Generator(tiny()))
    del state[name]
    with pytest.raises(ReleasedWeightsError, match="generator state dict lacks") as error:
        load_released(state, None, config=tiny())
    assert f"lacks {name};" in str(error.value)


def test_a_missing_entry_of_the_discriminator_is_named():
    state = seeded_state(Discriminator(tiny()))
    del state["discriminator_1.model2.0.0.weight_orig"]
    with pytest.raises(
        ReleasedWeightsError, match="discriminator state dict lacks discriminator_1"
    ):
        load_released(seeded_state(Generator(tiny())), state, config=tiny())


def test_the_wrong_file_names_a_few_of_many():
    with pytest.raises(ReleasedWeightsError, match=r"and \d{3} more; is it the right file"):
        load_released({"weight": torch.zeros(3)}, None, config=tiny())


def test_another_size_names_the_entry_and_both_shapes():
    state = seeded_state(Generator(tiny()))
    config = tiny(instance_boundaries=False)
    with pytest.raises(ReleasedWeightsError) as error:
        load_released(state, None, config=config)
    message = str(error.value)
    for fact in ("fc.weight", "(32, 5, 3, 3)", "(32, 4, 3, 3)", "instance_boundaries"):
        assert fact in message


def test_another_upsampling_is_named():
    state = seeded_state(Generator(tiny()))
    with pytest.raises(ReleasedWeightsError, match=r"conv_img1\.weight.* and upsampling$"):
        load_released(state, None, config=tiny("most"))
    state = {n: w for n, w in state.items() if n.startswith(("fc", "head", "G_m", "up_"))}
    state["conv_img.weight"] = torch.zeros(3, 2, 3, 3)
    with pytest.raises(ReleasedWeightsError, match=r"lacks up_4\..*upsampling \('most'\) match"):
        load_released(state, None, config=tiny("most"))


def test_counters_of_batches_may_be_missing():
    state = seeded_state(Generator(tiny()))
    state = {n: w for n, w in state.items() if not n.endswith("num_batches_tracked")}
    loaded = load_released(state, None, config=tiny())
    fresh = [name for name in loaded.fresh if not name.startswith("scales.")]
    assert fresh
    assert all(name.endswith("num_batches_tracked") for name in fresh)


def test_a_name_of_ours_without_theirs_is_a_bug_that_shows():
    with pytest.raises(KeyError, match="new_part"):
        released_name("new_part.weight")
