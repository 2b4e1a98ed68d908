r"""`ecgan doctor --fix`: a copy that training can read, the folder itself untouched."""

import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecgan.cli.main import main
from ecgan.config import Config, DataConfig, ModelConfig, TrainingConfig
from ecgan.data.doctor.examine import examine
from ecgan.data.doctor.mend import mend
from ecgan.data.folders.batches import folder_batches
from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.dataset import FolderDataset
from ecgan.data.folders.labels import read_ids
from support.scenes_on_disk import blocks, photo, save, write

FAULTS = Path(__file__).parent / "faults"


def content(folder: Path) -> dict:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name",
    ["binary_mask_0_255", "labels_1_to_k_unknown_0", "names_bom", "exif_rotated_square",
     "grey_16bit_photos"],
)  # fmt: skip
def test_the_copy_is_well_and_the_folder_untouched(tmp_path, name):
    folder, out = FAULTS / name / "train", tmp_path / "out"
    before = content(folder)
    mend(folder, out)
    assert content(folder) == before
    assert examine(out).ok, str(examine(out))
    assert examine(out).counts["pairs"] == examine(folder).counts["pairs"]
    for path in (out / "images").iterdir():
        with Image.open(path) as image:
            assert image.mode in ("RGB", "L")
            assert image.getexif().get(0x0112, 1) == 1


def test_what_becomes_of_the_values(tmp_path):
    mend(FAULTS / "binary_mask_0_255/train", tmp_path / "mask")
    mend(FAULTS / "labels_1_to_k_unknown_0/train", tmp_path / "lowered")
    for path in (FAULTS / "binary_mask_0_255/train/labels").iterdir():
        assert np.array_equal(read_ids(tmp_path / "mask/labels" / path.name), read_ids(path) // 255)
    for path in (FAULTS / "labels_1_to_k_unknown_0/train/labels").iterdir():
        lowered = read_ids(path) - np.uint8(1)  # 0 becomes 255
        assert np.array_equal(read_ids(tmp_path / "lowered/labels" / path.name), lowered)


def test_it_writes_nothing_in_place_or_over_others(tmp_path):
    folder = shutil.copytree(FAULTS / "names_bom/train", tmp_path / "data")
    for out in (folder, folder / "out"):
        with pytest.raises(FolderError, match=r"not empty|lies in"):
            mend(folder, out)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    with pytest.raises(FolderError, match="full is there and not empty"):
        mend(folder, tmp_path / "full")


def test_by_the_command_line(tmp_path, capsys):
    folder = FAULTS / "binary_mask_0_255/train"
    assert main(["doctor", str(folder)]) == 1
    assert main(["doctor", str(folder), "--fix", str(tmp_path / "out")]) == 0
    assert "labels: 255 became 1" in capsys.readouterr().out


def test_training_leaves_a_damaged_file_out_and_says_so(tmp_path, capsys):
    write(tmp_path, "folder", [0, 1], keys=tuple("abcd"))
    for number, key in enumerate("abcd"):
        save(np.full_like(photo(0), 60 * number), tmp_path / f"images/{key}.png")
    (tmp_path / "images/b.png").write_bytes(b"cut off")
    config = Config(
        model=ModelConfig(classes=2, height=32, width=32, base_channels=2),
        data=DataConfig(name="own", flip=False), training=TrainingConfig(batch_size=2),
    )  # fmt: skip
    batches = islice(folder_batches(FolderDataset(tmp_path, config=config)), 8)
    shown = {
        round((value.item() + 1) * 127.5) for one in batches for value in one.images[:, 0, 0, 0]
    }
    assert shown == {0, 120, 180}
    said = capsys.readouterr().err
    assert said.count("\n") == said.count("images/b.png is not an image") == 1
    save(blocks([0, 9]), tmp_path / "labels/c.png")  # a wrong label is no damage
    with pytest.raises(FolderError, match="label 9"):
        list(islice(folder_batches(FolderDataset(tmp_path, config=config)), 2))
