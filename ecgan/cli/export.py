r"""``ecgan export``: a generator as ONNX."""

from pathlib import Path

from tyro.conf import Positional


def export(
    out: Positional[Path],
    *,
    model: str = "toy",
    dynamic_batch: bool = False,
    outputs: tuple[str, ...] = ("edge", "first", "final"),
) -> None:
    r"""Write a generator as ONNX, for programs and pages that run without torch.

    Args:
        out: The file to write.
        model: A shipped model, a .safetensors file, or the folder of a run.
        dynamic_batch: Take any number of layouts at once, not one.
        outputs: What the graph gives, in order.
    """
    from ecgan.files.whole import try_place
    from ecgan.weights.named import find_generator
    from ecgan.weights.onnx import export_onnx

    try_place(out)
    generator = find_generator(model)
    print(f"wrote {export_onnx(generator, out, dynamic_batch=dynamic_batch, outputs=outputs)}")
