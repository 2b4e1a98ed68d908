r"""classes.json: every way to write it is read alike by all, or refused with a way out."""

import json

import pytest

from ecgan.data.folders.classes import ClassesError, decide_classes, read_classes
from ecgan.presets import preset

NAMES = ("sky", "sea", "sand")
LISTED = {"classes": list(NAMES)}


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(LISTED).encode(),
        json.dumps(list(NAMES)).encode(),
        json.dumps(LISTED).encode("utf-8-sig"),
        json.dumps(LISTED).encode("utf-16"),
        json.dumps({"classes": {"sand": 2, "sky": 0, "sea": 1}}).encode(),
        json.dumps({"2": "sand", "0": "sky", "1": "sea"}).encode(),
        json.dumps({"names": {"0": "sky", "1": "sea", "2": "sand"}}).encode(),
        json.dumps([{"id": 1, "name": "sea"}, {"id": 0, "name": "sky"}, {"id": 2, "name": "sand"}])
        .encode(),
    ],
    ids="dict list bom utf16 numbered backwards names described".split(),
)  # fmt: skip
def test_ways_to_write_it(tmp_path, content):
    (tmp_path / "classes.json").write_bytes(content)
    assert read_classes(tmp_path) == NAMES


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"classes": "sky"}', r"classes.json holds a word \('sky'\), not a list"),
        ('"sky"', "holds a word"),
        ('{"classes": 4}', "holds a int"),
        ("[]", "holds no name"),
        ('["sky", ""]', "holds '' among its names"),
        ("[0, 1]", "holds 0 among its names"),
        ('{"sky": 0, "sea": 2}', "has 2 where 1 comes next"),
        ('{"sky": 1, "sea": 2}', "begins with 1: subtract 1"),
        ('{"sky": 0, "sea": 0.5}', "numbers a class 0.5, no whole number"),
        ('{"classes": ["sky",]}', "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        (json.dumps([f"class {number}" for number in range(256)]), "names 256 classes; .* 255"),
    ],
)
def test_what_is_refused(tmp_path, content, says):
    (tmp_path / "classes.json").write_text(content)
    with pytest.raises(ClassesError, match=says):
        read_classes(tmp_path)


def test_another_code_page(tmp_path):
    (tmp_path / "classes.json").write_bytes('{"classes": ["Fuß"]}'.encode("cp1252"))
    with pytest.raises(ClassesError, match="is not UTF-8"):
        read_classes(tmp_path)


def test_which_classes_are_taken_is_said_with_the_reason(tmp_path):
    config = preset("toy")
    decision = decide_classes(config, tmp_path)
    assert decision.config == config
    assert decision.why.startswith("9 classes, as the preset toy has, for there is no ")
    (tmp_path / "classes.txt").write_text("sky")
    assert "(classes.txt is not read)" in decide_classes(config, tmp_path).why
    (tmp_path / "classes.json").write_text(json.dumps(NAMES))
    decision = decide_classes(config, tmp_path)
    assert decision.config.model.classes == 3
    assert decision.names == NAMES
    assert decision.why == f"3 classes, as {tmp_path / 'classes.json'} says"
    told = decide_classes(preset("facades"), tmp_path)  # 12 are the preset's own
    assert told.config.model.classes == 3
