r"""Weights on disk: what is saved comes back, the bad is named, code is refused."""

import os
import pickle
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import save_file

from ecgan import Discriminator, Generator, ModelConfig
from ecgan.method.losses.pixel_contrast import ProjectionHead
from ecgan.readers.segmenter import DilatedJudge, UNet
from ecgan.weights.checkpoint import (
    WEIGHTS,
    CheckpointError,
    load,
    notes,
    read_state,
    save,
    shipped,
)
from ecgan.weights.released import load_released, released_state

CONFIG = ModelConfig(
    classes=3, dont_care=True, height=32, width=64, base_channels=2, spade_hidden=3
)
NETWORKS = {
    "Generator": lambda: Generator(CONFIG),
    "Discriminator": lambda: Discriminator(CONFIG),
    "UNet": lambda: UNet(classes=3, width=2, depth=1),
    "DilatedJudge": lambda: DilatedJudge(classes=3, width=2, dilations=(1, 2)),
}


class Payload:
    r"""A pickle that runs a command as soon as it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("name", NETWORKS)
def test_there_and_back(name, tmp_path):
    network = NETWORKS[name]().train()
    path = tmp_path / "deep" / "network.safetensors"
    save(path, network, notes={"steps": 7})
    loaded = load(path)
    assert type(loaded) is type(network)
    assert loaded.config == network.config
    assert not loaded.training
    state = loaded.state_dict()
    assert all(torch.equal(state[n], v) for n, v in network.state_dict().items())
    assert notes(path) == {"steps": 7}


def test_a_projection_head_is_given_its_config(tmp_path):
    head = ProjectionHead(channels=4, dim=6)
    save(tmp_path / "head.safetensors", head, config={"channels": 4, "dim": 6})
    loaded = load(tmp_path / "head.safetensors")
    samples = torch.randn(5, 4)
    assert torch.equal(loaded.project(samples), head.project(samples))
    assert notes(tmp_path / "head.safetensors") == {}


def test_half_the_bytes_nearly_the_same_weights(tmp_path):
    network = UNet(classes=3, width=8, depth=2)
    for half in (False, True):
        save(tmp_path / f"{half}.safetensors", network, half=half)
    whole, short = ((tmp_path / f"{half}.safetensors").stat().st_size for half in (False, True))
    assert short < 0.6 * whole
    state = load(tmp_path / "True.safetensors").state_dict()
    for name, value in network.state_dict().items():
        assert state[name].dtype == value.dtype
        torch.testing.assert_close(state[name], value, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_released_files_of_any_precision(tmp_path, suffix, dtype):
    states = []
    for name in ("Generator", "Discriminator"):
        state = {n: v.to(dtype) if v.is_floating_point() else v
                 for n, v in released_state(NETWORKS[name]()).items()}  # fmt: skip
        path = tmp_path / f"{name}{suffix}"
        save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
        read = read_state(path)
        assert all(torch.equal(read[n], v) for n, v in state.items())
        assert (
            read["fc.weight" if name == "Generator" else "discriminator_0.model0.0.bias"].dtype
            == dtype
        )
        states.append(read)
    generator, _ = load_released(*states, config=CONFIG)
    assert {p.dtype for p in generator.parameters()} == {torch.float32}
    assert torch.equal(generator.encoder.entry.weight, states[0]["fc.weight"].float())


@pytest.mark.parametrize("old_format", [True, False])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, old_format):
    path, proof = tmp_path / "weights.pth", tmp_path / "proof"
    state = {"fc.weight": torch.zeros(2), "extra": Payload(proof)}
    torch.save(state, path, _use_new_zipfile_serialization=not old_format)
    with pytest.raises(CheckpointError) as error:
        read_state(path)
    for fact in (str(path), "could run code", "refused", "safetensors"):
        assert fact in str(error.value)
    assert not proof.exists()


def test_a_bare_pickle_with_code_is_refused_and_not_run(tmp_path):
    path, proof = tmp_path / "weights.pth", tmp_path / "proof"
    path.write_bytes(pickle.dumps(Payload(proof)))
    for read in (read_state, load):
        with pytest.raises(CheckpointError, match=r"weights\.pth"):
            read(path)
    assert not proof.exists()


@pytest.mark.parametrize(
    "name", ["w.safetensors", "w.pth", "empty.pth", "text.pth", "t.safetensors"]
)
@pytest.mark.parametrize("read", [read_state, load])
def test_a_damaged_file_is_named(tmp_path, name, read):
    path = tmp_path / name
    if path.stem == "w":
        save_file({"a": torch.zeros(999)}, path) if path.suffix != ".pth" else torch.save(
            {"a": torch.zeros(999)}, path
        )
        path.write_bytes(path.read_bytes()[:1000])
    else:
        path.write_bytes(b"" if path.stem == "empty" else b"<html>404: not found</html>" * 9)
    with pytest.raises(CheckpointError, match=r"damaged.*fetch it again") as error:
        read(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("read", [read_state, load, notes])
def test_a_missing_file_is_named(tmp_path, read):
    with pytest.raises(CheckpointError, match=r"no file .*nowhere\.safetensors; give"):
        read(tmp_path / "nowhere.safetensors")


def test_a_wrapped_state_dict_says_what_to_do(tmp_path):
    path = tmp_path / "run.pth"
    torch.save({"state_dict": {"a": torch.zeros(1)}, "epoch": 3}, path)
    with pytest.raises(CheckpointError, match=r"not a plain state dict.*take the state dict out"):
        read_state(path)
    torch.save(torch.zeros(3), path)
    with pytest.raises(CheckpointError, match="holds a Tensor"):
        read_state(path)


@pytest.mark.parametrize("name", ["theirs.safetensors", "theirs.pth"])
def test_a_file_without_our_header_points_to_the_right_function(tmp_path, name):
    path, state = tmp_path / name, {"fc.weight": torch.zeros(2)}
    save_file(state, path) if path.suffix != ".pth" else torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"no ecgan header.*load_released\(read_state"):
        load(path)


def rewrite(path, *, config=None, drop=None, shape=None):
    r"""A saved network's file with another config, or without an entry, or with another shape."""
    network = UNet(classes=3, width=2, depth=1)
    save(path, network)
    state = read_state(path)
    if drop:
        del state[drop]
    if shape:
        state[shape] = torch.zeros(7)
    header = {"kind": "UNet", "config": config or '{"classes": 3, "width": 2, "depth": 1}'}
    save_file(state, path, metadata=header)
    return path


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        ({"drop": "score.bias"}, ["score.bias", "(3,)", "found nothing", "another version"]),
        ({"shape": "score.bias"}, ["score.bias", "(3,)", "found (7,)", "another version"]),
        ({"config": '{"classes": 4, "width": 2, "depth": 1}'}, ["score.weight", "(4, 2, 1, 1)"]),
        ({"config": '{"colour": 4}'}, ["no UNet can be built", "colour", "another version"]),
        ({"config": '{"classes": 1}'}, ["no UNet can be built", "2 classes"]),
    ],
)
def test_a_file_of_another_version_is_named(tmp_path, change, facts):
    path = rewrite(tmp_path / "old.safetensors", **change)
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert all(fact in str(error.value) for fact in (*facts, str(path))), str(error.value)


@pytest.mark.parametrize("network", [torch.nn.Linear(2, 2), ProjectionHead(channels=2, dim=2)])
def test_what_cannot_be_loaded_is_not_saved(tmp_path, network):
    with pytest.raises(CheckpointError, match=f"cannot save a {type(network).__name__}; known are"):
        save(tmp_path / "a.safetensors", network)
    assert not list(tmp_path.iterdir())


def test_the_config_travels_in_the_file(tmp_path):
    save(tmp_path / "a.safetensors", Generator(CONFIG))
    assert asdict(load(tmp_path / "a.safetensors").config) == asdict(CONFIG)


def test_an_unknown_shipped_model_lists_those_there_are():
    with pytest.raises(CheckpointError) as error:
        shipped("toyy")
    there = [path.stem for path in WEIGHTS.glob("*.safetensors")]
    assert "no shipped model 'toyy'" in str(error.value)
    assert all(name in str(error.value) for name in there)
