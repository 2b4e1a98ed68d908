r"""Inception-v3 for FID: its published shape and names, TensorFlow's resize, weights by hash."""

import hashlib

import pytest
import torch

from ecgan.files.published import WeightsUnavailable
from ecgan.readers.inception import FEATURES, WEIGHTS, Inception, load_inception, resize


@pytest.fixture(scope="module")
def network() -> Inception:
    torch.manual_seed(0)
    return Inception().eval()


def test_it_has_the_published_size_and_names(network: Inception) -> None:
    r"""torchvision's has 23,834,568 without its helpers, of which 2,049,000 are its classifier."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert parameters == 23_834_568 - 2_049_000
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    for name, shape in {
        "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
        "Conv2d_4a_3x3.bn.running_var": (192,),
        "Mixed_5b.branch_pool.conv.weight": (32, 192, 1, 1),
        "Mixed_5d.branch5x5_2.conv.weight": (64, 48, 5, 5),
        "Mixed_6a.branch3x3dbl_3.conv.weight": (96, 96, 3, 3),
        "Mixed_6c.branch7x7dbl_2.conv.weight": (160, 160, 7, 1),
        "Mixed_6e.branch7x7_2.conv.weight": (192, 192, 1, 7),
        "Mixed_7a.branch7x7x3_4.conv.weight": (192, 192, 3, 3),
        "Mixed_7b.branch3x3_2a.conv.weight": (384, 384, 1, 3),
        "Mixed_7c.branch3x3dbl_3b.conv.weight": (384, 384, 3, 1),
    }.items():
        assert shapes[name] == shape
    assert len(shapes) == 94 * 6  # convolutions, each with four vectors and a count of its norm


def test_features_are_vectors(network: Inception) -> None:
    with torch.no_grad():
        features = network(torch.rand(1, 3, 64, 48) * 2 - 1)
    assert features.shape == (1, FEATURES)
    assert (features >= 0).all()


def test_resize_reads_where_tensorflow_did() -> None:
    levels = torch.randint(256, (2, 3, 50, 70)).float()
    made = resize(levels)
    assert made.shape == (2, 3, 299, 299)
    for row, column in ((0, 0), (7, 290), (298, 298), (150, 33)):
        y, x = row * 50 / 299, column * 70 / 299
        top, left = int(y), int(x)
        down, right = min(top + 1, 49), min(left + 1, 69)
        upper = levels[:, :, top, left] * (1 - x + left) + levels[:, :, top, right] * (x - left)
        lower = levels[:, :, down, left] * (1 - x + left) + levels[:, :, down, right] * (x - left)
        expected = upper * (1 - y + top) + lower * (y - top)
        torch.testing.assert_close(made[:, :, row, column], expected, rtol=0, atol=0.02)


def test_weights_are_loaded_without_their_classifier(network: Inception, tmp_path) -> None:
    state = {name: value for name, value in network.state_dict().items() if "num_b" not in name}
    torch.save(state | {"fc.weight": torch.zeros(1008, 2048)}, tmp_path / "inception.pth")
    loaded = load_inception(tmp_path / "inception.pth")
    name = "Mixed_7c.branch1x1.conv.weight"
    assert torch.equal(loaded.state_dict()[name], network.state_dict()[name])
    assert not loaded.training
    del state[name]
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(WeightsUnavailable, match=r"lacks Mixed_7c\.branch1x1\.conv\.weight"):
        load_inception(tmp_path / "other.pth")


def test_without_a_network_the_ways_out_are_told(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("ECGAN_INCEPTION", raising=False)
    nowhere = type(WEIGHTS)(
        **vars(WEIGHTS) | {"urls": ("http://127.0.0.1:9/a.pth", "http://127.0.0.1:9/b.pth")}
    )
    with pytest.raises(WeightsUnavailable) as caught:
        nowhere.fetch(folder=tmp_path)
    for part in ("a.pth cannot be downloaded", "ECGAN_INCEPTION", "--features"):
        assert part in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_only_the_published_file_is_used(tmp_path, monkeypatch) -> None:
    file = tmp_path / "given.pth"
    file.write_bytes(b"something")
    monkeypatch.setenv("ECGAN_INCEPTION", str(file))
    with pytest.raises(WeightsUnavailable, match=r"expected 6726825d\.\.\."):
        WEIGHTS.fetch()
    prefix = hashlib.sha256(b"something").hexdigest()[:8]
    ours = type(WEIGHTS)(**vars(WEIGHTS) | {"sha256_prefix": prefix})
    assert ours.fetch() == file
    assert all(url.endswith(f"-{WEIGHTS.sha256_prefix}.pth") for url in WEIGHTS.urls)
