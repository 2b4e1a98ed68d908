r"""The doctor on folders with one fault each: it names kind, file, value and cure, or is quiet."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ecgan.config import ConfigError
from ecgan.data import toy
from ecgan.data.doctor.examine import examine
from ecgan.data.doctor.memory import estimate
from ecgan.fast import accelerate, precision
from ecgan.method.discriminator import Discriminator
from ecgan.method.generator import Generator
from ecgan.method.layouts import one_hot
from ecgan.presets import preset
from support.scenes_on_disk import SIZE, blocks, photo, save, write

FOUR = list(range(4))


@pytest.fixture
def folder(tmp_path):
    r"""Three sound scenes of the toy world's nine classes, without its special size."""
    return write(tmp_path, "folder", list(range(9)))


def levels(report):
    return {finding.kind: finding.level for finding in report.findings}


def only(report, kind):
    r"""The one finding of a report, which must be an error of this kind."""
    assert levels(report) == {kind: "error"}, str(report)
    assert not report.ok
    assert report.exit_code == 1
    return report.findings[0]


@pytest.mark.parametrize("config", ["toy", None])
def test_toy_folder_is_healthy(tmp_path, config):
    toy.write_folder(tmp_path, 6)
    report = examine(tmp_path, config=config)
    assert report.ok
    assert report.exit_code == 0
    assert report.findings == ()
    assert report.counts == {"pairs": 6, "images": 6, "labels": 6, "instances": 6}
    text = str(report)
    assert "ready for training: nothing wrong was found" in text
    assert "person" in text  # names come from classes.json
    assert "size: all 64 x 64" in text
    memory = "memory: not estimated; name a preset" if config is None else "memory of toy (estimate"
    assert memory in text


@pytest.mark.parametrize("knows", [True, False])
def test_a_precision_that_would_cost_time_here_is_told(tmp_path, monkeypatch, knows):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(precision, "processor_words", lambda: {"avx512_bf16" if knows else "avx2"})
    toy.write_folder(tmp_path, 2)
    text = str(examine(tmp_path, config="toy"))
    assert ("precision: this processor has no bf16 arithmetic" in text) == (not knows)
    assert ("take --precision fp32 here" in text) == (not knows)


def test_histogram_is_the_share_of_pixels(tmp_path):
    toy.write_folder(tmp_path, 8, seed=1)
    counted = examine(tmp_path, config="toy").histogram
    labels = toy.scenes(8, seed=1).labels
    for k in range(9):
        assert counted.share(k) == pytest.approx((labels == k).double().mean().item())
    files = torch.stack([(labels == k).any(-1).any(-1).sum() for k in range(9)])
    assert [counted.files[k] for k in range(9)] == files.tolist()
    assert {toy.CLASSES[k] for k in counted.tiny} == set(toy.TINY)


def test_classes_never_met_are_listed(tmp_path):
    write(tmp_path, "folder", [0, 2])
    report = examine(tmp_path, config="toy")
    assert report.ok
    assert report.histogram.missing == (1, 3, 4, 5, 6, 7, 8)
    assert "never met: 7 of 9: 1, 3, 4, 5, 6, 7, 8" in str(report)


@pytest.mark.parametrize(
    ("victim", "kind", "left"),
    [
        ("labels/b.png", "images without labels", "images/b.png"),
        ("images/b.png", "labels without images", "labels/b.png"),
    ],
)
def test_unpaired(folder, victim, kind, left):
    (folder / victim).unlink()
    report = examine(folder, config="toy")
    assert only(report, kind).files == (left,)
    assert report.counts["pairs"] == 2


def test_two_images_for_one_label(folder):
    save(photo(0), folder / "images/a.jpg")
    finding = only(examine(folder, config="toy"), "doubled names")
    assert "beside a.jpg" in finding.details[0]
    assert finding.files == ("images/a.png",)


@pytest.mark.parametrize("name", ["images/a.png", "labels/a.png", "images/d.jpg"])
def test_truncated(folder, name):
    save(blocks(FOUR), folder / "labels/d.png")
    save(photo(5), folder / "images/d.jpg")
    path = folder / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    finding = only(examine(folder, config="toy"), "unreadable files")
    assert finding.files == (name,)
    assert "damaged" in finding.details[0]


def test_text_that_pretends_to_be_an_image(folder):
    (folder / "images/a.png").write_text("not found")
    assert only(examine(folder, config="toy"), "unreadable files").files == ("images/a.png",)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colour_labels_but_palettes_are_fine(folder, mode):
    ids = blocks(FOUR)
    picture = Image.fromarray(ids, mode="P" if mode == "P" else None)
    picture.putpalette(toy.PALETTE.tobytes())
    picture.convert(mode).save(folder / "labels/b.png")
    report = examine(folder, config="toy")
    if mode == "P":
        assert report.ok
        return
    finding = only(report, "colour labels")
    assert finding.files == ("labels/b.png",)
    assert f"colour picture (mode {mode})" in finding.details[0]
    assert "from_colors" in finding.message


def test_grey_stored_as_colours_gets_its_own_cure(folder):
    Image.fromarray(blocks(FOUR)).convert("RGB").save(folder / "labels/b.png")
    finding = only(examine(folder, config="toy"), "colour labels")
    assert "stores grey ids as colours" in finding.details[0]


def test_jpeg_labels(folder):
    (folder / "labels/a.png").unlink()
    save(blocks(FOUR), folder / "labels/a.jpg")
    finding = only(examine(folder, config="toy"), "unreadable files")
    assert "labels/a.jpg: is a JPEG file" in finding.details[0]


@pytest.mark.parametrize("part", ["labels", "instances", "edges"])
def test_sizes_that_differ(folder, part):
    save(blocks(FOUR, (SIZE[0], SIZE[1] // 2)), folder / part / "c.png")
    finding = only(examine(folder, config="toy"), "sizes that differ")
    assert finding.details == (f"{part}/c.png: 20 x 48, its image 40 x 48",)


def test_ids_out_of_range_are_named_with_their_place(folder):
    ids = blocks(FOUR)
    ids[7, 5:7] = 203
    ids[30, 1] = 9
    save(ids, folder / "labels/b.png")
    finding = only(examine(folder, config="toy"), "ids out of range")
    assert finding.message == "allowed are 0 to 8 for 9 classes"
    assert finding.details == (
        "labels/b.png: label 9 (1 pixels, first at row 30, column 1), "
        "label 203 (2 pixels, first at row 7, column 5)",
    )


def test_wrong_ids_do_not_count_in_the_histogram(folder):
    save(blocks([0, 77]), folder / "labels/b.png")
    counted = examine(folder, config="toy").histogram
    assert 77 not in counted.pixels
    assert counted.share(0) > counted.share(1) > 0


def test_255_is_welcome_only_where_the_config_ignores_it(tmp_path):
    write(tmp_path, "folder", [0, 1, 255])
    report = examine(tmp_path, config="toy")
    assert levels(report) == {"ids out of range": "error", "label convention": "error"}
    assert "--model.dont-care" in report.of_kind("label convention").message
    config = preset("toy")
    config = replace(config, model=replace(config.model, dont_care=True))
    report = examine(tmp_path, config=config)
    assert report.ok
    assert report.findings == ()
    assert report.histogram.share(255) == pytest.approx(13 / 40)
    assert examine(tmp_path).ok


def test_one_based_labels(tmp_path):
    write(tmp_path, "folder", list(range(1, 10)))
    report = examine(tmp_path, config="toy")
    assert "1-based" in report.of_kind("label convention").message
    assert report.of_kind("ids out of range").details[0].startswith("labels/a.png: label 9 ")
    # Without a config it is judged as `ecgan train` would: by the nine classes of its preset.
    report = examine(tmp_path)
    assert levels(report) == {"ids out of range": "error", "label convention": "error"}
    assert "held against 9 classes, as the preset toy has, for there is no" in str(report)


def test_minus_one_in_wide_files(tmp_path):
    write(tmp_path, "folder", FOUR)
    save(blocks([0, 65535], kind=np.uint16), tmp_path / "labels/a.png")
    report = examine(tmp_path, config="toy")
    assert report.of_kind("ids out of range").files == ("labels/a.png",)
    assert "how -1 ('void') is stored" in report.of_kind("label convention").message


def test_ids_spread_out_to_be_seen(tmp_path):
    write(tmp_path, "folder", [0, 28, 56, 84])
    message = examine(tmp_path, config="toy").of_kind("label convention").message
    assert "divide them by 28" in message


def test_missing_instances_matter_only_where_they_are_needed(tmp_path):
    write(tmp_path, "folder", FOUR)
    config = preset("toy")
    assert examine(tmp_path, config=config).ok
    config = replace(config, model=replace(config.model, instance_boundaries=True))
    assert len(only(examine(tmp_path, config=config), "missing instances").files) == 3


@pytest.mark.parametrize("parts", [(), ("images", "labels")])
def test_empty_folder(tmp_path, parts):
    for part in parts:
        (tmp_path / part).mkdir()
    finding = only(examine(tmp_path), "empty folder" if parts else "folder")
    assert "images/" in finding.message
    assert "labels/" in finding.message


def test_no_such_folder(tmp_path):
    assert "no such folder" in only(examine(tmp_path / "nowhere"), "folder").message


def test_unknown_preset(tmp_path):
    with pytest.raises(ConfigError, match="no preset 'citiscapes'; there are toy, aerial, facades"):
        examine(tmp_path, config="citiscapes")


@pytest.mark.parametrize(
    ("name", "good", "bad", "shown"),
    [
        ("facades", [1, 12], 0, "allowed are 1 to 12 for 12 classes"),
        ("cityscapes", [0, 33, 255], 35, "allowed are 0 to 34 for 35 classes, -1 for class 34"),
        ("ade20k", [0, 1, 150], 151, "allowed are 1 to 150 for 150 classes, 0 for don't care"),
        ("coco_stuff", [0, 181, 255], 182, "allowed are 0 to 181 for 182 classes, 255 for don't"),
    ],
)
def test_official_layouts_are_recognised(tmp_path, name, good, bad, shown):
    keys = ("x/a", "y/a") if name == "cityscapes" else ("a", "b")
    instances = [0, 7] if name in ("cityscapes", "coco_stuff") else None
    for split in ("train", "val"):
        write(tmp_path, name, good, keys=keys, split=split, instances=instances)
    report = examine(tmp_path)
    assert report.ok, str(report)
    assert report.findings == ()
    assert report.counts["pairs"] == 4
    assert report.config == preset(name)
    write(tmp_path, name, [*good, bad], keys=keys, instances=instances)
    report = examine(tmp_path)
    assert report.of_kind("ids out of range").message.startswith(shown)
    assert len(report.of_kind("ids out of range").files) == 2


def test_sample_reads_some_and_pairs_all(tmp_path):
    keys = tuple(f"{i:02d}" for i in range(12))
    write(tmp_path, "folder", FOUR, keys=keys)
    (tmp_path / "labels/11.png").unlink()
    report = examine(tmp_path, sample=4)
    assert report.read == 4
    assert report.counts["pairs"] == 11
    assert "pixels read: 4 of 11 pairs, a sample" in str(report)
    assert sum(report.histogram.pixels.values()) == 4 * SIZE[0] * SIZE[1]
    assert report.of_kind("images without labels").files == ("images/11.png",)
    assert examine(tmp_path, sample=None).read == 11


def test_report_shows_few_files_and_says_how_many_more(tmp_path):
    write(tmp_path, "folder", [99], keys=tuple(f"{i:02d}" for i in range(9)))
    report = examine(tmp_path, config="toy")
    assert len(report.of_kind("ids out of range").files) == 9
    text = str(report.of_kind("ids out of range"))
    assert text.startswith("error: ids out of range (9 files): ")
    assert text.count("labels/") == 5
    assert text.endswith("and 4 more")


def test_memory_counts_parameters_and_grows_with_the_batch():
    config = preset("toy")
    dice = torch.get_rng_state()
    one = estimate(replace(config, training=replace(config.training, batch_size=1)))
    assert torch.equal(torch.get_rng_state(), dice), "an estimate must not use up random numbers"
    four = estimate(replace(config, training=replace(config.training, batch_size=4)))
    networks = Generator(config.model), Discriminator(config.model)
    sizes = [sum(parameter.numel() for parameter in network.parameters()) for network in networks]
    assert [one.generator, one.discriminator] == sizes
    # Weights, gradients, two moments and the averaged generator, whatever the batch.
    states = 16 * sum(sizes) + 4 * sizes[0]
    assert one.training > states
    assert four.training - states == pytest.approx(4 * (one.training - states))
    assert 4 * sizes[0] < one.inference == four.inference < one.training


def test_memory_is_what_autograd_keeps_of_the_whole_networks():
    batch = 11  # no number of channels is a multiple: kept weights can be told from activations
    config = preset("toy")
    config = replace(
        config,
        model=replace(config.model, classes=40, base_channels=8, max_channels=None),
        training=replace(config.training, batch_size=batch, ema=0.0),
    )
    model, kept = config.model, {}
    generator, discriminator = accelerate(Generator(model)), accelerate(Discriminator(model))

    def keep(tensor):
        if tensor.ndim == 4 and tensor.shape[0] % batch == 0:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    layout = one_hot(torch.randint(model.classes, (batch, 64, 64)), classes=model.classes)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        made = generator(layout)
        fake = discriminator.discriminate(layout, made.pictures())
        targets = {name: made.first.detach() * 1 for name in "ab"}
        real = discriminator.discriminate(layout, targets)
    expected = estimate(config)
    states = 16 * (expected.generator + expected.discriminator)
    assert expected.training - states == pytest.approx(sum(kept.values()), rel=0.03)
    del made, fake, real
