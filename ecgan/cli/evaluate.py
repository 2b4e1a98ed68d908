r"""``ecgan evaluate``: a generator's scores under named protocols."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg


def evaluate(
    model: str = "toy",
    *,
    data: Path | None = None,
    training_data: Path | None = None,
    judge: str | None = None,
    features: Literal["inception", "judge"] | None = None,
    protocols: tuple[str, ...] = (),
    images: int | None = None,
    size: str | None = None,
    few: bool = False,
    yardsticks: bool = False,
    cpu: bool = False,
    out: Annotated[Path | None, arg(aliases=["-o"])] = None,
) -> None:
    r"""Score a generator under named protocols, several at once; the book explains each.

    Args:
        model: A shipped model, a .safetensors file, or the folder of a run.
        data: A folder whose validation part is scored; the toy world draws its own scenes.
        training_data: Real training images, for the protocols that compare with those.
        judge: A segmenter for mIoU and accuracy, as train takes one; it should not be the one that
            the losses used.
        features: What FID and KID compare: published Inception features, or the judge's.
        protocols: fid-, kid-validation, fid-, kid-training, miou-native, miou-upsampled and these
            with -255-counted; fd-lite, kd-lite, fd-, kd-lite-training compare features of the
            extra [lite] and are not to be called FID; the usual three unless given.
        images: Score only so many.
        size: Height x width of the pictures, such as 256x512; as the model was trained unless
            given.
        few: Allow a Frechet distance on no more images than features.
        yardsticks: Score other pictures as well, under the same protocols: the first images, the
            real pictures of the layouts, as many of the training part, and the layouts in each
            class's mean colour.
        cpu: Stay off a GPU.
        out: A file of JSON lines to which the rows are added.
    """
    from ecgan.cli.synthesize import parsed_size
    from ecgan.evaluation.model import as_table, evaluate_model
    from ecgan.files import records

    rows = evaluate_model(
        model,
        data=data,
        training_data=training_data,
        judge=judge,
        features=features,
        protocols=protocols,
        images=images,
        size=parsed_size(size),
        few=few,
        yardsticks=yardsticks,
        cpu=cpu,
    )
    print(as_table(rows))
    if out is not None:
        records.append(out, rows)
        print(f"added {len(rows)} rows to {out}")
