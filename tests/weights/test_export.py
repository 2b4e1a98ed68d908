r"""The ONNX file says what the generator says, to rounding."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.utils import parametrize

from ecgan import Generator, ModelConfig
from ecgan.method.layouts import IGNORE, semantics
from ecgan.weights.onnx import ExportError, export_onnx, folded
from support.networks import awake

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SMALL = ModelConfig(classes=5, height=32, width=32, base_channels=2, spade_hidden=4)
ALL = ("edge", "first", "final", "gates")


def grown(config: ModelConfig) -> Generator:
    r"""Weights that let every part show, normalisation that has seen something."""
    generator = awake(Generator(config))
    with torch.no_grad():
        for _ in range(3):
            generator(layouts(config, count=2))
    return generator


def layouts(config: ModelConfig, count: int) -> Tensor:
    shape = (count, config.height, config.width)
    labels = torch.randint(config.classes, shape)
    if config.dont_care:
        labels[:, :4] = IGNORE
    return semantics(labels, torch.randint(9, shape), config=config)


def run(path: Path, layout: Tensor) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"semantics": layout.numpy()})


@pytest.mark.parametrize(
    ("config", "dynamic", "outputs"),
    [
        (SMALL, False, ALL),
        (SMALL, True, ("final", "edge", "gates")),
        (
            replace(SMALL, dont_care=True, instance_boundaries=True, upsampling="more", height=64,
                    width=128),
            True,
            ALL,
        ),
        (replace(SMALL, edge_branch=False, edge_transfer=False), False, ("first", "final")),
        (replace(SMALL, semantic_preserving=False), False, ("edge", "final")),
    ],
    ids=["fixed", "dynamic", "all inputs", "no edges", "no semantic preserving"],
)  # fmt: skip
def test_onnxruntime_agrees(config, dynamic, outputs, tmp_path: Path) -> None:
    generator = grown(config)
    path = export_onnx(
        generator, tmp_path / "new" / "net.onnx", dynamic_batch=dynamic, outputs=outputs
    )
    generator.eval()
    for count in (1, 3) if dynamic else (1,):
        layout = layouts(config, count)
        with torch.no_grad():
            made = generator(layout)
        for name, value in zip(outputs, run(path, layout), strict=True):
            expected = getattr(made, name).numpy()
            assert value.shape == expected.shape
            assert 0.001 < expected.std() < 0.99, f"{name} says nothing"
            np.testing.assert_allclose(value, expected, atol=1e-5, rtol=1e-4)


def test_the_graph_is_plain(tmp_path: Path) -> None:
    r"""Standard operators alone, no shape arithmetic, every weight once."""
    generator = grown(SMALL)
    model = onnx.load(export_onnx(generator, tmp_path / "net.onnx"))
    kinds = {node.op_type for node in model.graph.node}
    assert kinds <= {
        "Add", "BatchNormalization", "Concat", "Conv", "LeakyRelu", "Mul", "ReduceMean", "Relu",
        "Reshape", "Resize", "Sigmoid", "Slice", "Split", "Squeeze", "Tanh", "Transpose",
    }  # fmt: skip
    assert {entry.domain for entry in model.opset_import} == {""}
    weights = sum(parameter.numel() for parameter in folded(generator).parameters())
    stored = sum(int(np.prod(entry.dims)) for entry in model.graph.initializer)
    assert stored < 1.05 * weights + 1000
    for value, channels in zip(
        [*model.graph.input, *model.graph.output], (5, 3, 3, 3), strict=True
    ):
        shape = [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        assert shape == [1, channels, 32, 32]


def test_exporting_leaves_the_generator_as_it_was(tmp_path: Path) -> None:
    generator = grown(SMALL).train()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    export_onnx(generator, tmp_path / "net.onnx", outputs=("final",))
    assert generator.training
    with torch.no_grad():
        generator.eval()(layouts(SMALL, count=1))
    assert all(torch.equal(before[name], value) for name, value in generator.state_dict().items())
    assert any(parametrize.is_parametrized(module) for module in generator.modules())
    assert not any(parametrize.is_parametrized(module) for module in folded(generator).modules())


@pytest.mark.parametrize(
    ("outputs", "said"),
    [(("edge", "final"), r"'edge'.*has first, final"), (("finale",), "finale"), ((), "nothing")],
)
def test_an_output_that_is_not_there_is_refused(outputs, said, tmp_path: Path) -> None:
    generator = Generator(replace(SMALL, edge_branch=False, edge_transfer=False))
    with pytest.raises(ExportError, match=said):
        export_onnx(generator, tmp_path / "net.onnx", outputs=outputs)
    assert not (tmp_path / "net.onnx").exists()


def test_without_onnx_the_way_to_it_is_told(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ExportError, match=r"pip install 'ecgan\[onnx\]'"):
        export_onnx(Generator(SMALL), tmp_path / "net.onnx")
