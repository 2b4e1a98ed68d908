r"""Instance maps of COCO-Stuff, which come as outlines in JSON, drawn as pictures of ids."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from einops import rearrange
from jaxtyping import Bool, Integer
from PIL import Image, ImageDraw
from tqdm import tqdm

from ecgan.data.folders.labels import read_ids
from ecgan.files.pictures import as_png
from ecgan.files.progress import quiet
from ecgan.files.whole import write_file

FIRST_THING = 256  # below are the labels of stuff, where nobody told one instance from another


def decode_runs(counts: list[int], height: int, width: int) -> Bool[np.ndarray, "{height} {width}"]:
    r"""A mask from run lengths, column by column, the first run being of zeros."""
    values = np.arange(len(counts)) % 2 == 1
    mask = np.concatenate([np.full(count, value) for count, value in zip(counts, values)])
    return rearrange(mask, "(w h) -> h w", h=height, w=width)


def draw_instances(
    labels: Integer[np.ndarray, "h w"], annotations: list[dict]
) -> Integer[np.ndarray, "h w"]:
    r"""16-bit ids: an own one for each annotated thing, elsewhere the label of the pixel.

    ``annotations`` are COCO's, with ``segmentation`` as polygons (x, y, x, y, ...) or run lengths.
    """
    picture = Image.fromarray(labels.astype(np.int32))
    brush = ImageDraw.Draw(picture)
    for number, annotation in enumerate(annotations, FIRST_THING):
        outline = annotation["segmentation"]
        if isinstance(outline, dict):
            ids = np.array(picture)
            ids[decode_runs(outline["counts"], *outline["size"])] = number
            picture = Image.fromarray(ids)
            brush = ImageDraw.Draw(picture)
        else:
            for polygon in outline:
                brush.polygon(polygon, fill=number)
    return np.array(picture).astype(np.uint16)


def write_instances(root: Path) -> None:
    r"""Draw train_inst/ and val_inst/ from annotations/instances_*.json; what is there stays.

    COCO's own file for training takes about 4 GB of memory while it is read.
    """
    for split in ("train", "val"):
        content = json.loads((root / f"annotations/instances_{split}2017.json").read_text())
        of_image = defaultdict(list)
        for annotation in content["annotations"]:
            of_image[f"{annotation['image_id']:012d}"].append(annotation)
        labels = sorted((root / f"{split}_label").glob("*.png"))
        (root / f"{split}_inst").mkdir(exist_ok=True)
        for path in tqdm(labels, f"{split} instances", disable=quiet()):
            target = root / f"{split}_inst" / path.name
            if not target.exists():
                ids = draw_instances(read_ids(path), of_image[path.stem])
                write_file(target, as_png(ids))
