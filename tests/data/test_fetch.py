r"""Fetching against a server on 127.0.0.1: whole, corrupted and cut-off archives made here."""

import hashlib
import io
import json
import runpy
import stat
import sys
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from ecgan.cli.main import main
from ecgan.data.doctor.examine import examine
from ecgan.data.fetch import fetch as fetching
from ecgan.data.fetch.coco_instances import decode_runs, draw_instances, write_instances
from ecgan.data.fetch.fetch import DONE, LICENCE, fetch
from ecgan.data.fetch.sources import SOURCES, Source
from ecgan.data.fetch.unpack import unpack
from ecgan.data.folders.conventions import CONVENTIONS
from ecgan.files import download as downloads
from ecgan.files.download import Archive, FetchError, download
from support.scenes_on_disk import blocks, photo, save, write


class Shelf(ThreadingHTTPServer):
    r"""Files by name, requests as they came, and the ways in which a server can fail."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.cut_after: list[int] = []  # bytes sent of the next answers before the line breaks
        self.resumes = True

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        name, wanted = self.path.lstrip("/"), self.headers.get("Range")
        self.server.requests.append((name, wanted))
        if name not in self.server.files:
            self.send_error(404)
            return
        content, begin = self.server.files[name], 0
        if wanted and self.server.resumes:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        sent = content[begin:]
        if self.server.cut_after:
            sent = sent[: self.server.cut_after.pop(0)]
        self.wfile.write(sent)

    def log_message(self, *_):
        pass


@pytest.fixture
def shelf(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    server = Shelf()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def packed(files: dict[str, bytes | np.ndarray]) -> bytes:
    r"""A zip file with these members; arrays become PNG files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            if isinstance(content, np.ndarray):
                picture = io.BytesIO()
                suffix = "JPEG" if name.endswith(".jpg") else "PNG"
                Image.fromarray(content).save(picture, suffix)
                content = picture.getvalue()
            archive.writestr(name, content)
    return buffer.getvalue()


def facades(part: str, count: int) -> bytes:
    pairs = {}
    for number in range(count):
        stem = f"{part}/cmp_{part[0]}{number:04d}"
        pairs |= {f"{stem}.jpg": photo(number), f"{stem}.png": blocks([1, 12])}
    return packed(pairs | {"readme.txt": b"CMP"})


def hashed(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def source(shelf):
    r"""The facades, with few files and the server's addresses."""
    shelf.files = {"base.zip": facades("base", 3), "extended.zip": facades("extended", 2)}
    published = SOURCES["facades"]
    archives = tuple(
        replace(archive, urls=(shelf.url(name),), sha256=hashed(shelf.files[name]))
        for archive, name in zip(published.archives, shelf.files)
    )
    counts = dict(zip(published.counts, (3, 3, 2, 2)))
    return replace(published, archives=archives, counts=counts)


@pytest.fixture
def said():
    return []


def test_a_good_fetch_ends_in_a_folder_that_the_doctor_accepts(shelf, source, said, tmp_path):
    folder = fetch("facades", tmp_path / "new" / "facades", source=source, say=said.append)
    report = examine(folder)
    assert report.ok, str(report)
    assert report.counts["pairs"] == 5
    assert [name for name, _ in shelf.requests] == ["base.zip", "extended.zip"]
    text = "\n".join(said)
    assert "CMP_facade_DB_base.zip: hash verified" in text
    assert "Read the terms on https://cmp.felk.cvut.cz" in text
    assert text.endswith(f"next: ecgan doctor {folder}")
    # The archives have done their work; nothing half-made is left.
    left = {path.name for path in folder.iterdir()}
    assert left == {"base", "extended", DONE, LICENCE}
    assert not list(folder.rglob("*.part"))


def test_a_second_fetch_does_nothing(shelf, source, said, tmp_path):
    fetch("facades", tmp_path, source=source, say=said.append)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    shelf.requests.clear()
    said.clear()
    fetch("facades", tmp_path, source=source, say=said.append)
    assert shelf.requests == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert "complete" in said[-1]


def test_archives_may_be_kept(source, said, tmp_path):
    fetch("facades", tmp_path, source=source, keep=True, say=said.append)
    assert (tmp_path / "CMP_facade_DB_base.zip").is_file()


def test_without_a_published_hash_it_says_so_and_prints_what_came(shelf, source, said, tmp_path):
    archives = tuple(replace(archive, sha256=None) for archive in source.archives)
    fetch("facades", tmp_path, source=replace(source, archives=archives), say=said.append)
    sentence = next(line for line in said if line.startswith("CMP_facade_DB_base.zip: not ver"))
    assert "no hash of it was published" in sentence
    assert hashed(shelf.files["base.zip"]) in sentence


def test_a_corrupted_archive_is_refused_and_deleted(shelf, source, said, tmp_path):
    good = shelf.files["base.zip"]
    shelf.files["base.zip"] = good[:100] + bytes([good[100] ^ 1]) + good[101:]
    with pytest.raises(FetchError, match=r"CMP_facade_DB_base.zip could not be.*wrong hash, .*del"):
        fetch("facades", tmp_path, source=source, say=said.append)
    assert not list(tmp_path.rglob("*.*"))
    assert len(shelf.requests) == 1, "the same damage must not be fetched again at once"
    shelf.files["base.zip"] = good
    fetch("facades", tmp_path, source=source, say=said.append)
    assert examine(tmp_path).ok


def test_a_line_that_breaks_is_taken_up_where_it_broke(shelf, source, said, tmp_path):
    whole = len(shelf.files["base.zip"])
    shelf.cut_after = [200, 300]
    fetch("facades", tmp_path, source=source, say=said.append)
    assert shelf.requests[:3] == [
        ("base.zip", None),
        ("base.zip", "bytes=200-"),
        ("base.zip", "bytes=500-"),
    ]
    assert whole > 500
    assert examine(tmp_path).ok


def test_a_line_that_keeps_breaking_leaves_the_part_for_the_next_call(shelf, tmp_path, said):
    content = shelf.files["a.zip"] = packed({"a": bytes(range(256)) * 8})
    archive = Archive(name="a.zip", urls=(shelf.url("a.zip"),), sha256=hashed(content))
    shelf.cut_after = [40, 30, 0, 0]
    with pytest.raises(FetchError, match=r"cut off after 70 of \d+ bytes; .*a.zip.part is kept, r"):
        download(archive, tmp_path, say=said.append)
    assert (tmp_path / "a.zip.part").read_bytes() == content[:70]
    assert not (tmp_path / "a.zip").exists()
    shelf.cut_after.clear()
    assert download(archive, tmp_path, say=said.append).read_bytes() == content
    assert shelf.requests[-1] == ("a.zip", "bytes=70-")
    assert not (tmp_path / "a.zip.part").exists()


def test_cut_off_archives_without_a_hash_are_noticed_too(shelf, tmp_path, said):
    shelf.files["a.zip"] = packed({"a": b"x" * 500})
    shelf.cut_after = [60, 0]
    with pytest.raises(FetchError, match="cut off after 60 of"):
        download(Archive(name="a.zip", urls=(shelf.url("a.zip"),)), tmp_path, say=said.append)
    assert not (tmp_path / "a.zip").exists()


def test_a_server_that_cannot_resume_sends_all_again(shelf, tmp_path, said):
    content = shelf.files["a.zip"] = packed({"a": bytes(range(256)) * 8})
    shelf.resumes = False
    shelf.cut_after = [90]
    archive = Archive(name="a.zip", urls=(shelf.url("a.zip"),), sha256=hashed(content))
    assert download(archive, tmp_path, say=said.append).read_bytes() == content


def test_a_part_longer_than_the_file_is_thrown_away(shelf, tmp_path, said):
    content = shelf.files["a.zip"] = packed({"a": b"1"})
    (tmp_path / "a.zip.part").write_bytes(bytes(5000))
    archive = Archive(name="a.zip", urls=(shelf.url("a.zip"),), sha256=hashed(content))
    assert download(archive, tmp_path, say=said.append).read_bytes() == content


def test_mirrors_are_tried_in_turn(shelf, tmp_path, said):
    content = shelf.files["b/a.zip"] = packed({"a": b"1"})
    gone = "http://127.0.0.1:9/a.zip"  # nobody listens there
    urls = (gone, shelf.url("nowhere/a.zip"), shelf.url("b/a.zip"))
    archive = Archive(name="a.zip", urls=urls, sha256=hashed(content))
    assert download(archive, tmp_path, say=said.append).read_bytes() == content
    assert [name for name, _ in shelf.requests] == ["nowhere/a.zip", "b/a.zip"]
    lost = replace(archive, name="b.zip", urls=urls[:2])
    with pytest.raises(
        FetchError, match=r"b.zip could not be fetched: .*refused.*; .*404"
    ) as error:
        download(lost, tmp_path, say=said.append)
    assert all(url in str(error.value) for url in urls[:2])


def test_a_damaged_archive_without_a_hash_is_noticed_when_unpacked(shelf, source, said, tmp_path):
    content = bytearray(shelf.files["base.zip"])
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    shelf.files["base.zip"] = bytes(content)
    archives = tuple(replace(archive, sha256=None) for archive in source.archives)
    with pytest.raises(FetchError, match=r"_DB_base.zip is damaged .*; delete it and run"):
        fetch("facades", tmp_path, source=replace(source, archives=archives), say=said.append)
    assert not list(tmp_path.rglob("*.part"))


def test_a_page_instead_of_an_archive(shelf, source, said, tmp_path):
    shelf.files["base.zip"] = b"<html>Please log in</html>"
    archives = tuple(replace(archive, sha256=None) for archive in source.archives)
    with pytest.raises(FetchError, match=r"is damaged .*not a zip file"):
        fetch("facades", tmp_path, source=replace(source, archives=archives), say=said.append)


def linked(name: str, target: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize(
    "name", ["../evil", "base/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "base/link"]
)
def test_unsafe_members_are_refused_before_anything_is_written(tmp_path, name):
    path, folder = tmp_path / "a.zip", tmp_path / "inside"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("base/good", b"good")
        archive.writestr(linked(name, "/etc") if name.endswith("link") else name, b"/etc/passwd")
    reason = "a link" if name.endswith("link") else "leads out of the folder"
    with pytest.raises(FetchError, match=f"{reason}.*nothing was unpacked"):
        unpack(Archive(name="a.zip"), path, folder)
    assert not folder.exists() or not list(folder.iterdir())
    assert {one.name for one in tmp_path.iterdir()} <= {"a.zip", "inside"}


def test_places_rename_and_leave_out(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(packed({"train2017/1.png": b"1", "val2017/2.png": b"2", "other": b"3"}))
    places = (("train2017/", "train_label/"), ("val2017/", "val_label/"))
    assert unpack(Archive(name="a.zip", places=places), path, tmp_path / "to") == 2
    written = {
        one.relative_to(tmp_path / "to").as_posix() for one in (tmp_path / "to").rglob("*.*")
    }
    assert written == {"train_label/1.png", "val_label/2.png"}


def test_a_disk_too_small_is_said_before_unpacking(tmp_path, monkeypatch):
    path = tmp_path / "a.zip"
    path.write_bytes(packed({"a": b"1" * 5000}))
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("ecgan.data.fetch.unpack.shutil.disk_usage", lambda _: usage)
    with pytest.raises(FetchError, match=r"needs 0.0 GiB in .*; make room or choose another"):
        unpack(Archive(name="a.zip"), path, tmp_path / "to")
    assert not list((tmp_path / "to").iterdir())


def test_wrong_counts_are_named(source, said, tmp_path):
    short = replace(source, counts={**source.counts, "base/*.jpg": 4})
    with pytest.raises(FetchError, match=r"base/\*.jpg: 3 files, expected 4\).*delete .*fetched"):
        fetch("facades", tmp_path, source=short, say=said.append)
    (tmp_path / "base/cmp_b0001.png").unlink()
    with pytest.raises(FetchError, match=r"base/\*.png: 2 files, expected 3"):
        fetch("facades", tmp_path, source=source, say=said.append)


def test_what_a_program_may_not_fetch_is_explained_then_unpacked(said, tmp_path):
    city = replace(
        SOURCES["cityscapes"],
        counts={"leftImg8bit/train/*/*.png": 1, "gtFine/train/*/*_labelIds.png": 1},
    )
    with pytest.raises(FetchError, match=r"leftImg8bit_trainvaltest.zip is not in .*register at"):
        fetch("cityscapes", tmp_path, source=city, say=said.append)
    assert "must not be passed on" in said[0]
    files = {
        "leftImg8bit": {"leftImg8bit/train/ulm/ulm_0_leftImg8bit.png": photo(0)},
        "gtFine": {
            "gtFine/train/ulm/ulm_0_gtFine_labelIds.png": blocks([0, 33]),
            "gtFine/train/ulm/ulm_0_gtFine_instanceIds.png": blocks([0, 33]),
        },
    }
    for name, content in files.items():
        (tmp_path / f"{name}_trainvaltest.zip").write_bytes(packed(content))
    fetch("cityscapes", tmp_path, source=city, say=said.append)
    assert examine(tmp_path).ok
    assert (tmp_path / "gtFine_trainvaltest.zip").exists(), "what was brought by hand stays"


def test_what_is_published_in_four_places_agrees():
    in_archives = {name: source for name, source in SOURCES.items() if source.archives}
    assert set(in_archives) == set(CONVENTIONS) - {"folder", "parts"}
    scenes = {"facades": 606, "ade20k": 22210, "coco_stuff": 123287, "cityscapes": 3475}
    for name, source in in_archives.items():
        convention = CONVENTIONS[name]
        assert isinstance(source, Source)
        for files in (convention.images, convention.labels):
            total = 0
            for split in ("train", "val"):
                folder = files.folder.format(split=convention.folder_of(split))
                city = "*/*" if name == "cityscapes" else "*"
                total += source.counts[f"{folder}/{city}{files.ending}{files.suffixes[0]}"]
            assert total == scenes[name]
        for archive in source.archives:
            assert archive.urls or source.by_hand
            assert archive.sha256 is None or len(archive.sha256) == 64


def test_archives_of_ade20k_and_coco_land_where_they_are_read(tmp_path):
    for archive in SOURCES["ade20k"].archives:
        path = tmp_path / archive.name
        top = "ADEChallengeData2016"
        images = {f"{top}/images/training/a.jpg": photo(0), f"{top}/objectInfo150.txt": b"names"}
        path.write_bytes(packed({f"{top}/annotations/training/a.png": blocks([0, 150]), **images}))
        unpack(archive, path, tmp_path / "ade")
    assert examine(tmp_path / "ade").ok
    contents = {
        "train2017.zip": {"train2017/000000000009.jpg": photo(0)},
        "val2017.zip": {"val2017/000000000139.jpg": photo(1)},
        "stuffthingmaps_trainval2017.zip": {
            "train2017/000000000009.png": blocks([0, 181]),
            "val2017/000000000139.png": blocks([3, 255]),
        },
        "annotations_trainval2017.zip": {
            "annotations/instances_train2017.json": json.dumps({"annotations": []}).encode(),
            "annotations/instances_val2017.json": json.dumps({"annotations": []}).encode(),
            "annotations/captions_val2017.json": b"{}",
        },
    }
    for archive in SOURCES["coco_stuff"].archives:
        path = tmp_path / archive.name
        path.write_bytes(packed(contents[archive.name]))
        unpack(archive, path, tmp_path / "coco")
    assert not (tmp_path / "coco/annotations/captions_val2017.json").exists()
    SOURCES["coco_stuff"].finish(tmp_path / "coco")
    report = examine(tmp_path / "coco")
    assert report.ok, str(report)
    assert report.counts["instances"] == 2


def test_instances_are_drawn_from_polygons_and_runs():
    labels = np.full((6, 8), 7, np.uint8)
    square = {"segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]]}
    # Column by column: 30 zeros are five columns of six, then one column of ones.
    crowd = {"segmentation": {"counts": [30, 6, 12], "size": [6, 8]}}
    ids = draw_instances(labels, [square, crowd])
    assert ids.dtype == np.uint16
    assert (ids[1:4, 1:4] == 256).all()
    assert (ids[:, 5] == 257).all()
    assert (np.delete(ids, 5, axis=1) != 257).all()
    assert ids[0, 0] == ids[5, 7] == 7
    mask = decode_runs([1, 2, 3], 2, 3)
    assert mask.tolist() == [[False, True, False], [True, False, False]]


def test_instances_that_exist_are_not_drawn_again(tmp_path):
    for split in ("train", "val"):
        write(tmp_path, "coco_stuff", [0], keys=("000000000001",), split=split)
        annotations = [{"image_id": 1, "segmentation": [[0, 0, 5, 0, 5, 5]]}]
        path = tmp_path / f"annotations/instances_{split}2017.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"annotations": annotations}))
    mine = save(blocks([9]), tmp_path / "train_inst/000000000001.png").read_bytes()
    write_instances(tmp_path)
    assert (tmp_path / "train_inst/000000000001.png").read_bytes() == mine
    drawn = np.array(Image.open(tmp_path / "val_inst/000000000001.png"))
    assert np.unique(drawn).tolist() == [0, 256]


def test_unknown_data_set_and_the_command(capsys, monkeypatch, source, tmp_path):
    with pytest.raises(FetchError, match="no data set 'voc'; there are aerial, facades"):
        fetch("voc", tmp_path)
    monkeypatch.setattr(fetching, "SOURCES", {"facades": source})
    assert main(["fetch", "facades", str(tmp_path)]) == 0
    assert "complete: all counts are as published" in capsys.readouterr().out
    lost = replace(source, archives=(replace(source.archives[0], name="new.zip", urls=()),))
    monkeypatch.setattr(fetching, "SOURCES", {"facades": lost})
    assert main(["fetch", "facades", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("ecgan: new.zip is not in")


@pytest.mark.parametrize("name", SOURCES)
def test_scripts_call_the_package(root, name, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["script", str(tmp_path)])
    monkeypatch.setattr(fetching, "fetch", lambda *arguments, mirror: print(arguments))
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(root / f"data_scripts/{name}.py"), run_name="__main__")
    assert stop.value.code == 0
    assert capsys.readouterr().out.strip() == str((name, tmp_path))


def test_the_readme_states_the_counts_that_are_checked(root):
    text = (root / "data_scripts/README.md").read_text()
    for name, source in SOURCES.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}.py`"))
        for number in {count for count in source.counts.values() if count > 2}:
            assert f"{number:,}" in row


def test_nothing_is_asked_for_twice_when_the_disk_is_full(shelf, tmp_path, monkeypatch, said):
    shelf.files["a.zip"] = packed({"a": b"1"})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads._Resumed, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        download(Archive(name="a.zip", urls=(shelf.url("a.zip"),)), tmp_path, say=said.append)
    assert len(shelf.requests) == 1
