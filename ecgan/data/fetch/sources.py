r"""Where the published data sets lie, what may be done with them, what must be there afterwards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ecgan.data.fetch import aerial
from ecgan.data.fetch.coco_instances import write_instances
from ecgan.files.download import Archive


@dataclass(frozen=True, kw_only=True)
class Source:
    r"""A data set: archives or single files, files expected by pattern, its licence in words.

    ``files`` are kept as they come, in published/. ``by_hand`` says how to come by archives that
    have no address; ``finish`` makes what was not published, after the counts were checked.
    ``config`` is the preset that the doctor should hold it against, where it does not know.
    """

    title: str
    licence: str
    archives: tuple[Archive, ...] = ()
    files: tuple[Archive, ...] = ()
    counts: Mapping[str, int]
    config: str = ""
    by_hand: str = ""
    finish: Callable[[Path], None] | None = None


# No hash of these archives was published by their makers: sha256 stays None until somebody can
# vouch for one, and the command says so.
FACADES = Source(
    title="CMP facades, 606 rectified photographs of facades, 12 classes",
    licence="Read the terms on https://cmp.felk.cvut.cz/~tylecr1/facade/ before use; cite "
    "Tylecek and Sara, GCPR 2013.",
    archives=tuple(
        Archive(
            name=f"CMP_facade_DB_{part}.zip",
            urls=(f"https://cmp.felk.cvut.cz/~tylecr1/facade/CMP_facade_DB_{part}.zip",),
            places=((f"{part}/", f"{part}/"), ("", f"{part}/")),
        )
        for part in ("base", "extended")
    ),
    counts={
        "base/*.jpg": 378,
        "base/*.png": 378,
        "extended/*.jpg": 228,
        "extended/*.png": 228,
    },
)

ADE20K = Source(
    title="ADE20K scene parsing, 22,210 photographs, 150 classes",
    licence="For research and education without commercial purpose; read the terms on "
    "http://sceneparsing.csail.mit.edu before use; cite Zhou et al., CVPR 2017.",
    archives=(
        Archive(
            name="ADEChallengeData2016.zip",
            urls=("http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",),
            places=(("ADEChallengeData2016/", ""),),
        ),
    ),
    counts={
        "images/training/*.jpg": 20210,
        "annotations/training/*.png": 20210,
        "images/validation/*.jpg": 2000,
        "annotations/validation/*.png": 2000,
    },
)

COCO = "http://images.cocodataset.org"
STUFF = "http://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset"
COCO_STUFF = Source(
    title="COCO-Stuff, 123,287 photographs, 182 classes (about 20 GB to download)",
    licence="Annotations: CC BY 4.0. Photographs: the terms of Flickr, each its author's; see "
    "https://cocodataset.org/#termsofuse. Cite Caesar et al., CVPR 2018.",
    archives=(
        *(
            Archive(
                name=f"{split}2017.zip",
                urls=(f"{COCO}/zips/{split}2017.zip",),
                places=((f"{split}2017/", f"{split}_img/"),),
            )
            for split in ("train", "val")
        ),
        Archive(
            name="stuffthingmaps_trainval2017.zip",
            urls=(f"{STUFF}/stuffthingmaps_trainval2017.zip",),
            places=(("train2017/", "train_label/"), ("val2017/", "val_label/")),
        ),
        Archive(
            name="annotations_trainval2017.zip",
            urls=(f"{COCO}/annotations/annotations_trainval2017.zip",),
            places=(("annotations/instances_", "annotations/instances_"),),
        ),
    ),
    counts={
        "train_img/*.jpg": 118287,
        "train_label/*.png": 118287,
        "val_img/*.jpg": 5000,
        "val_label/*.png": 5000,
        "annotations/instances_*2017.json": 2,
    },
    finish=write_instances,
)

CITYSCAPES = Source(
    title="Cityscapes, 3,475 street scenes with fine labels, 35 labels",
    licence="For non-commercial use by those who registered; the data must not be passed on. Cite "
    "Cordts et al., CVPR 2016.",
    archives=tuple(
        Archive(name=f"{part}_trainvaltest.zip", places=((f"{part}/", f"{part}/"),))
        for part in ("leftImg8bit", "gtFine")
    ),
    counts={
        "leftImg8bit/train/*/*_leftImg8bit.png": 2975,
        "gtFine/train/*/*_gtFine_labelIds.png": 2975,
        "gtFine/train/*/*_gtFine_instanceIds.png": 2975,
        "leftImg8bit/val/*/*_leftImg8bit.png": 500,
        "gtFine/val/*/*_gtFine_labelIds.png": 500,
        "gtFine/val/*/*_gtFine_instanceIds.png": 500,
    },
    by_hand="register at https://www.cityscapes-dataset.com, agree to its licence, and download "
    "leftImg8bit_trainvaltest.zip (11 GB) and gtFine_trainvaltest.zip (241 MB) there",
)

AERIAL = Source(
    title="72 satellite photographs of Dubai, 8 tiles of 9 parts, 5 classes, by Humans in the Loop "
    "and the Mohammed Bin Rashid Space Centre (about 33 MB to download)",
    licence=f"Public domain (CC0), as the card of a public copy states; the copy fetched here, "
    f"{aerial.PAGE}, says open access. Name the makers.",
    files=aerial.files(),
    counts={
        "published/Tile */images/*.jpg": 72,
        "published/Tile */masks/*.png": 72,
    },
    finish=aerial.prepare,
    config="aerial",
)

SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "aerial": AERIAL,
        "facades": FACADES,
        "ade20k": ADE20K,
        "coco_stuff": COCO_STUFF,
        "cityscapes": CITYSCAPES,
    }
)
