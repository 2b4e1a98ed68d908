r"""All that runs on a GPU, on a device that refuses tensors of the CPU."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ecgan.data import toy
from ecgan.data.examples import pictures, toy_examples
from ecgan.data.folders.batches import assemble
from ecgan.data.folders.dataset import FolderDataset
from ecgan.data.source import Source
from ecgan.evaluation.evaluate import Evaluation, evaluate, paint
from ecgan.evaluation.metrics import SegmenterFeatures
from ecgan.experiments import trial
from ecgan.experiments.grid import parse_grid
from ecgan.method.batch import Batch
from ecgan.method.generator import Generator
from ecgan.method.layouts import LayoutError
from ecgan.synthesis import synthesize
from ecgan.training import Machine, RunSettings, Trainer, fit, toy_batches, train
from ecgan.training.segmenters import fit_on_folder
from ecgan.weights import checkpoint
from support import pretend_device, scenes_on_disk, tiny_run
from support.pretend_device import MixedDevices, PretendTensor

SETTINGS = RunSettings(checkpoint_every=1, log_every=1, sample_every=2)


@pytest.fixture(autouse=True)
def device() -> torch.device:
    pretend_device.install()
    return torch.device(pretend_device.NAME)


def on(device: torch.device, precision: str = "fp32") -> Machine:
    return Machine(precision=precision, device=device)


def trainer(device: torch.device, **training) -> Trainer:
    config = tiny_run.config(**training)
    machine = on(device, config.training.precision)
    return Trainer(config=config, segmenter=tiny_run.segmenter(), machine=machine)


def everything(run: Trainer) -> Iterator[Tensor]:
    for part in (run.generator, run.discriminator, run.objective, run.trained):
        yield from part.state_dict().values()
    for optimiser in run.optimisers:
        for moments in optimiser.state.values():
            yield from moments.values()


def test_the_device_refuses_tensors_of_the_cpu(device: torch.device) -> None:
    there, here = torch.ones(3, device=device), torch.arange(3.0)
    for mixture in (
        lambda: there + here,
        lambda: torch.cat([here, there]),
        lambda: there[here.long()],
        lambda: there.add_(here),
        lambda: torch.where(here > 0, there, there),
    ):
        with pytest.raises(MixedDevices, match=r"of the CPU, of shape \(3,\)"):
            mixture()
    assert (there * torch.tensor(2.0)).sum().item() == 6  # a single number may come from anywhere
    assert torch.equal(there.copy_(here).cpu(), here)
    assert not isinstance(there.cpu(), PretendTensor)


def test_the_device_counts_what_it_is_asked(device: torch.device) -> None:
    values = torch.arange(4.0, device=device)
    with pretend_device.questions() as asked:
        chosen = (values + 1).exp().clamp(max=3)[torch.tensor([0, 2], device=device)]
        assert chosen.device == values.device
    assert asked == {}
    with pretend_device.questions() as asked:
        assert values.sum().item() == 6
        assert len(values[values > 1]) == 2
        values.cpu()
    assert asked == {"_local_scalar_dense": 1, "index": 1, "_to_copy": 1}


def test_the_device_counts_what_it_is_brought(device: torch.device) -> None:
    with pretend_device.deliveries() as brought:
        torch.zeros(3, device=device).add_(1)
    assert brought == {}
    with pretend_device.deliveries() as brought:
        torch.tensor([1, 2], device=device)
        torch.ones(3).to(device)
        torch.zeros(3, device=device).copy_(torch.ones(3))
    assert brought.total() == 3


@pytest.mark.parametrize("simultaneous", [True, False])
@pytest.mark.parametrize("losses", [tiny_run.LOSSES, tiny_run.WITH_MEMORY])
def test_an_update_can_be_recorded(device: torch.device, simultaneous: bool, losses) -> None:
    r"""It asks the device for nothing, and brings it nothing."""
    run = trainer(device, simultaneous=simultaneous, losses=losses)
    batches = list(islice(toy_batches(run.config, device=device), 3))
    run.step(batches[0])  # what is made at first use is there then
    with pretend_device.questions() as asked, pretend_device.deliveries() as brought:
        run.update(batches[1:])
    assert (asked, brought) == ({}, {})


@pytest.mark.parametrize("simultaneous", [True, False])
@pytest.mark.parametrize("losses", [tiny_run.LOSSES, tiny_run.WITH_MEMORY])
def test_a_step(device: torch.device, simultaneous: bool, losses) -> None:
    run = trainer(device, simultaneous=simultaneous, ema=0.5, losses=losses, steps=2)
    history = train(run, toy_batches(run.config, device=device), log_every=1)
    assert [row["step"] for row in history.rows] == [1, 2]
    assert all(math.isfinite(value) for row in history.rows for value in row.values())
    assert all(isinstance(value, PretendTensor) for value in everything(run) if value.ndim)


def test_the_step_is_that_of_the_cpu(device: torch.device) -> None:
    r"""Its kernels are the CPU's: the terms before the first update are the same numbers."""
    values = []
    for place in (torch.device("cpu"), device):
        run = trainer(place, steps=1)
        torch.manual_seed(4)
        (row,) = train(run, toy_batches(run.config, device=place)).rows
        values.append({name: value for name, value in row.items() if name != "seconds"})
    assert values[1] == pytest.approx(values[0], rel=1e-4)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_step_in_16_bits(device: torch.device, precision: str) -> None:
    run = trainer(device, precision=precision, accumulate=2)
    run.step(list(islice(toy_batches(run.config, device=device), 2)))
    assert all(isinstance(value, PretendTensor) for value in everything(run) if value.ndim)


@pytest.mark.parametrize("part", Batch._fields)
def test_a_batch_with_a_part_left_on_the_cpu_stops_the_step(device, part: str) -> None:
    run = trainer(device)
    batch = next(toy_batches(run.config, device=device))
    with pytest.raises(MixedDevices):
        run.step(batch._replace(**{part: getattr(batch, part).cpu()}))


def test_a_buffer_left_on_the_cpu_stops_the_step(device: torch.device) -> None:
    run = trainer(device)
    norm = run.generator.encoder.blocks[0].norm_0.normalise
    norm.running_mean = norm.running_mean.cpu()
    with pytest.raises(MixedDevices):
        run.step(next(toy_batches(run.config, device=device)))


def test_a_run_with_checkpoints_goes_on(device: torch.device, tmp_path: Path) -> None:
    config = tiny_run.config(steps=2, ema=0.5, losses=tiny_run.WITH_MEMORY)
    hurried, states = replace(SETTINGS, minutes=0), {}
    for name, settings in (("whole", [SETTINGS]), ("parts", [hurried, SETTINGS])):
        for each in settings:
            outcome = fit(
                config,
                tmp_path / name,
                segmenter=tiny_run.segmenter(),
                settings=each,
                machine=on(device),
            )
        assert outcome.ended == "finished"
        assert isinstance(next(outcome.generator.parameters()), PretendTensor)
        folder = tmp_path / name / "checkpoints" / "step-00000002"
        states[name] = checkpoint.read_state(folder / "average.safetensors")
        states[name] |= checkpoint.read_state(folder / "discriminator_adam.safetensors")
    assert outcome.resumed_at == 1
    assert all(
        torch.equal(states["whole"][name], states["parts"][name]) for name in states["whole"]
    )
    assert (tmp_path / "parts" / "samples" / "00000002.png").is_file()
    assert isinstance(checkpoint.load(tmp_path / "parts" / "generator.safetensors"), Generator)


def test_synthesis(device: torch.device) -> None:
    generator = Generator(tiny_run.MODEL).eval()
    labels = toy.scenes(2, height=32, width=32).labels
    expected = synthesize(generator, labels).final
    made = synthesize(generator.to(device), labels).final
    assert isinstance(made, PretendTensor)
    torch.testing.assert_close(made.cpu(), expected, rtol=1e-4, atol=1e-5)


def test_evaluation(device: torch.device) -> None:
    pytest.importorskip("torchmetrics")
    config, judge = tiny_run.config(), tiny_run.segmenter().to(device).eval()
    scenes = toy_examples(config, count=40, seed=1)
    setup = Evaluation(
        made=paint(Generator(config.model).to(device), scenes),
        classes=config.model.classes,
        training=pictures(scenes),
        segmenter=judge,
        features=SegmenterFeatures(segmenter=judge).to(device),
        few=True,
    )
    rows = evaluate(setup, ["fid-validation", "kid-training", "miou-native", "miou-upsampled"])
    assert [row["metric"] for row in rows] == ["fid", "kid", *["miou", "accuracy"] * 2]
    assert all(row["device"] == pretend_device.NAME for row in rows)


@pytest.mark.parametrize("simultaneous", [True, False])
def test_a_step_asks_the_device_once(device: torch.device, simultaneous: bool) -> None:
    run = trainer(device, simultaneous=simultaneous)
    first, second = islice(toy_batches(run.config, device=device), 2)
    run.step(first)
    with pretend_device.questions() as asked:
        run.step(second)
    assert sum(asked.values()) == 1, asked


def test_a_batch_is_assembled_without_a_question(device: torch.device, tmp_path: Path) -> None:
    root = scenes_on_disk.write(tmp_path, "folder", list(range(9)), instances=[0, 1, 2])
    config = tiny_run.config(batch_size=2, model={"instance_boundaries": True})
    dataset = FolderDataset(root, config=config, augment=False)
    samples = [dataset[index]._replace(edges=torch.zeros(3, 32, 32)) for index in (0, 1)]
    scenes = toy_batches(config, device=device)
    with pretend_device.questions() as asked:
        for batch in (assemble(samples, config=config, device=device), next(scenes)):
            assert all(isinstance(part, PretendTensor) for part in batch)
    assert asked == {}
    wrong = [samples[0]._replace(labels=torch.full((32, 32), 9)), samples[1]]
    with pytest.raises(LayoutError, match="label 9"):
        assemble(wrong, config=config, device=device)


def test_training_and_synthesis_from_a_folder(device: torch.device, tmp_path: Path) -> None:
    root = scenes_on_disk.write(tmp_path / "data", "folder", list(range(9)), instances=[0, 1, 2])
    config = tiny_run.config(steps=1, batch_size=2, model={"instance_boundaries": True})
    config = replace(config, data=replace(config.data, name="folder", flip=True, load_size=36))
    outcome = fit(
        config,
        tmp_path / "run",
        data=root,
        segmenter=tiny_run.segmenter(),
        settings=SETTINGS,
        machine=on(device),
    )
    assert outcome.ended == "finished"
    batch = Source(config=config, machine=on(device), data=root).examples(2)
    assert all(isinstance(part, PretendTensor) for part in batch)


def test_a_segmenter_is_fitted(device: torch.device, tmp_path: Path) -> None:
    root = scenes_on_disk.write(tmp_path, "folder", list(range(9)))
    config = tiny_run.config(batch_size=2)
    network = fit_on_folder(tiny_run.segmenter(), root, config=config, steps=2, device=device)
    assert not any(isinstance(value, PretendTensor) for value in network.state_dict().values())


GRID = """
preset: toy
base:
  model.height: 32
  model.width: 32
  model.base_channels: 4
  model.spade_hidden: 8
  model.max_channels: 16
  training.steps: 2
  data.images: 8
  trial.scored: 16
  trial.small: 4
  trial.device: pretend
experiments:
  ablation:
    question: Does each part help?
    seeds: [0]
    variants: {whole: {}}
"""


class Turns(list[str]):
    r"""Notes who takes a turn, and gives it back."""

    def acquire(self) -> bool:
        self.append("mine")
        return True

    def release(self) -> None:
        self.append("yours")


def test_a_run_of_a_grid(device: torch.device) -> None:
    (cell,) = parse_grid(GRID).cells
    turn = Turns()
    found = trial.run(cell, turn=turn)
    assert turn == ["mine", "yours", "mine", "yours"]  # it looks once on its way
    assert {row["device"] for row in found.rows} == {device.type}
    scored = {row["metric"]: row["value"] for row in found.rows if row["share"] == 1}
    assert {"fid", "miou", "inner_edges", "agreement"} <= set(scored)
    assert found.history.rows[-1]["step"] == 2
