r"""The generator as an ONNX file, for programs and pages that run without torch.

Needs the extra ``ecgan[onnx]``.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ecgan.errors import EcganError
from ecgan.method.generator import MODALITIES, Generator, Synthesis

OPSET = 18
INPUT = "semantics"
# Folded into a convolution, normalisation would take its weights out of half precision's reach.
UNFUSED = ["ConvBNFusion"]
SMALLEST_HALF = 512  # values; a smaller tensor stays as it is


class ExportError(EcganError):
    r"""A generator that cannot be exported as asked; the message says what it has."""


class _Outputs(nn.Module):
    r"""The chosen tensors of a synthesis, in order: graphs know no dataclasses."""

    def __init__(self, *, generator: Generator, names: Sequence[str]):
        super().__init__()
        self.generator, self.names = generator, tuple(names)

    def forward(self, semantics: Tensor) -> tuple[Tensor, ...]:
        made = self.generator(semantics)
        return tuple(getattr(made, name) for name in self.names)


def folded(generator: Generator) -> Generator:
    r"""A copy in evaluation mode with plain weights: spectral normalisation carried out, once."""
    # Not a deep copy: it would share classes with the original, and unfolding would break both.
    plain = type(generator)(generator.config)
    plain.load_state_dict(generator.state_dict())
    plain.eval()
    for module in plain.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return plain.requires_grad_(False)


def _check(generator: Generator, layout: Tensor, names: Sequence[str]) -> None:
    with torch.no_grad():
        made = generator(layout)
    there = [f.name for f in fields(Synthesis) if isinstance(getattr(made, f.name), Tensor)]
    unknown = [name for name in names if name not in there]
    if unknown or not names:
        raise ExportError(
            f"outputs names {unknown or 'nothing'}; this generator has {', '.join(there)}"
        )


def _tidy(path: Path, shapes: list[torch.Size]) -> None:
    r"""Fold constants by onnxruntime, so that what tracing wrote down about shapes goes."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"], disabled_optimizers=UNFUSED
    )
    model = onnx.load(path)
    used = {node.domain for node in model.graph.node}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    for output, shape in zip(model.graph.output, shapes, strict=True):
        for axis, size in zip(output.type.tensor_type.shape.dim[1:], shape[1:], strict=True):
            axis.dim_value = size
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def store_half(path: str | Path, *, scales: Mapping[str, float] | None = None) -> None:
    r"""Store the weights of an ONNX file as float16 wherever that loses nothing; half the size.

    The graph widens them again, once, when it is loaded, and computes in float32 as before.
    ``scales`` names weights that only ``weight / scale`` makes exact, as spectral normalisation
    leaves them (see :func:`spectral_scales`); the graph then multiplies by the scale.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model, widen = onnx.load(path), []
    for stored in list(model.graph.initializer):
        name, weight = stored.name, numpy_helper.to_array(stored)
        if weight.dtype != np.float32 or weight.size < SMALLEST_HALF:
            continue
        scale = np.float32((scales or {}).get(name, 1.0))
        half = (weight / scale).astype(np.float16)
        if not np.allclose(half * scale, weight, rtol=1e-6, atol=0):
            continue
        stored.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        wide = f"{name}.wide" if scale != 1 else name
        widen.append(helper.make_node("Cast", [stored.name], [wide], to=TensorProto.FLOAT))
        if scale != 1:
            factor = numpy_helper.from_array(scale, f"{name}.scale")
            model.graph.initializer.append(factor)
            widen.append(helper.make_node("Mul", [wide, factor.name], [name]))
    nodes = [*widen, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def spectral_scales(generator: Generator, *, prefix: str = "") -> dict[str, float]:
    r"""What spectral normalisation multiplies each stored weight by, in evaluation mode."""
    scales = {}
    for name, module in generator.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            stored = module.parametrizations.weight.original
            ratio = module.weight.double().norm() / stored.double().norm()
            scales[f"{prefix}{name}.weight"] = ratio.item()
    return scales


def export_module(
    module: nn.Module,
    path: str | Path,
    *,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    dynamic_batch: bool = False,
) -> Path:
    r"""Write any module of fixed shapes to ``path``: tensors in, a tuple of tensors out, by name.

    ``inputs`` are examples in the order of ``forward``. Raises :class:`ExportError` without onnx or
    onnxruntime. For a generator see :func:`export_onnx`.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ExportError(
            f"{error.name} is not installed; install it with: pip install 'ecgan[onnx]'"
        ) from error
    path = Path(path)
    free = {name: {0: "batch"} for name in (*inputs, *outputs)} if dynamic_batch else None
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        shapes = [made.shape for made in module.eval()(*inputs.values())]
    with warnings.catch_warnings():
        # Shapes are the config's, so that a trace may hold them fast. The exporter is torch's older
        # one on purpose: the newer wants one more package and takes twenty times as long.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            path,
            input_names=list(inputs),
            output_names=list(outputs),
            opset_version=OPSET,
            dynamic_axes=free,
            training=torch.onnx.TrainingMode.PRESERVE,  # no fusing here either
            dynamo=False,
        )
    _tidy(path, shapes)
    return path


def export_onnx(
    generator: Generator,
    path: str | Path,
    *,
    dynamic_batch: bool = False,
    outputs: Sequence[str] = MODALITIES,
) -> Path:
    r"""Write ``generator`` to ``path``; returns the path.

    The graph takes "semantics", float32 ``b s h w`` (see :func:`~ecgan.method.layouts.semantics`),
    of batch 1, or of any batch with ``dynamic_batch``. Its outputs are ``outputs``: "edge",
    "first", "final", "gates", "class_maps" or "features". Weights are plain float32. Raises
    :class:`ExportError` for an output that the generator does not make, or without onnx.
    """
    network = folded(generator)
    config = generator.config
    # Two layouts where the batch is free: what is traced with one could depend on there being one.
    count = 2 if dynamic_batch else 1
    layout = torch.zeros(count, config.semantic_channels, config.height, config.width)
    layout[:, 0] = 1
    _check(network, layout, outputs)
    wrapped = _Outputs(generator=network, names=outputs)
    return export_module(
        wrapped, path, inputs={INPUT: layout}, outputs=outputs, dynamic_batch=dynamic_batch
    )
