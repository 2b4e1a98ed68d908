r"""Perceptual loss, VGG-19 by torchvision's names, and fetching its weights from a local server."""

import functools
import hashlib
import http.server
import threading
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ecgan.method.losses.finite import NonFiniteLoss
from ecgan.method.losses.perceptual import VGG_WEIGHTS, PerceptualLoss, perceptual
from ecgan.readers import vgg
from ecgan.readers.vgg import VGG19, WeightsUnavailable, fetch_weights, load_vgg19, published_vgg19

# torchvision's vgg19: index in `features` and channels of every convolution.
PUBLISHED = {
    0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128),
    10: (256, 128), 12: (256, 256), 14: (256, 256), 16: (256, 256),
    19: (512, 256), 21: (512, 512), 23: (512, 512), 25: (512, 512),
    28: (512, 512), 30: (512, 512), 32: (512, 512), 34: (512, 512),
}  # fmt: skip


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return VGG19()


class Features(nn.Module):
    r"""A small extractor with a dropout, so that its mode shows."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3, stride=2)
        self.dropout = nn.Dropout(0.5)

    def forward(self, images):
        first = F.relu(self.first(images))
        return [first, self.second(self.dropout(first))]


def maps(seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((2, 3, 6, 5), (2, 4, 3, 2))
    return [torch.randn(s, generator=generator, dtype=torch.float64).to(dtype) for s in shapes]


def test_weights_are_the_released_ones():
    assert VGG_WEIGHTS == (0.03125, 0.0625, 0.125, 0.25, 1)


def test_equals_loops_and_spares_the_real_features():
    fake, real = ([m.requires_grad_() for m in maps(seed)] for seed in (1, 2))
    expected = 0
    for weight, a, b in zip((0.25, 2), fake, real, strict=True):
        pairs = list(zip(a.flatten().tolist(), b.flatten().tolist(), strict=True))
        expected += weight * sum(abs(x - y) for x, y in pairs) / len(pairs)
    loss = perceptual(fake, real, (0.25, 2))
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    assert all(m.grad is None for m in real)
    torch.testing.assert_close(fake[1].grad.abs(), torch.full_like(fake[1], 2 / fake[1].numel()))


def test_module_freezes_its_extractor_but_not_the_picture():
    loss = PerceptualLoss(extractor=Features(), weights=(0.5, 1)).train()
    assert loss.training
    assert not loss.extractor.dropout.training
    fake, real = (torch.rand(2, 3, 8, 8, requires_grad=True) for _ in range(2))
    value = loss(fake, real)
    assert value.item() == loss(fake, real).item()
    expected = perceptual(loss.extractor(fake), loss.extractor(real), (0.5, 1))
    assert value.item() == expected.item()
    value.backward()
    assert fake.grad.any()
    assert real.grad is None
    assert not any(p.requires_grad for p in loss.parameters())
    targets = loss.target(real)
    assert not any(m.requires_grad for m in targets)
    assert loss(fake, targets).item() == value.item()
    assert loss(real, real).item() == 0


def test_any_callable_extracts():
    loss = PerceptualLoss(extractor=lambda images: [images, images[:, :, ::2]], weights=(1, 2))
    fake, real = torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4)
    expected = F.l1_loss(fake, real) + 2 * F.l1_loss(fake[:, :, ::2], real[:, :, ::2])
    assert loss(fake, real).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    fake, real = maps(1, dtype), maps(2, dtype)
    fake[0] *= 1000
    loss = perceptual(fake, real, (1, 1))
    assert loss.dtype == torch.float32
    exact = perceptual([m.double() for m in fake], [m.double() for m in real], (1, 1))
    assert loss.item() == pytest.approx(exact.item(), rel=1e-5)
    module = PerceptualLoss(extractor=Features(), weights=(1, 1))
    image = torch.rand(1, 3, 8, 8, requires_grad=True)
    with torch.autocast("cpu", dtype=dtype):
        value = module(image, torch.rand(1, 3, 8, 8))
    value.backward()
    assert torch.isfinite(image.grad).all()


def test_bad_input():
    with pytest.raises(NonFiniteLoss, match="perceptual loss"):
        perceptual([m / 0 for m in maps(1)], maps(2), (1, 1))
    with pytest.raises(ValueError, match="2 and 2 feature maps, 5 weights"):
        perceptual(maps(1), maps(2))


def test_vgg_has_torchvisions_names_and_shapes(network):
    expected = {}
    for index, (out, channels) in PUBLISHED.items():
        if index <= 28:
            expected[f"features.{index}.weight"] = (out, channels, 3, 3)
            expected[f"features.{index}.bias"] = (out,)
    assert {name: tuple(p.shape) for name, p in network.state_dict().items()} == expected


def test_vgg_slices_are_the_first_relu_of_each_block(network):
    images = 2 * torch.rand(1, 3, 32, 32) - 1
    state, maps, x = network.state_dict(), [], images
    with torch.no_grad():
        for block, indices in enumerate(
            [(0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28,)]
        ):
            for index in indices:
                weight, bias = state[f"features.{index}.weight"], state[f"features.{index}.bias"]
                x = F.relu(F.conv2d(x, weight, bias, padding=1))
                if index == indices[0]:
                    maps.append(x)
            x = F.max_pool2d(x, 2) if block < 4 else x
        found = network(images)
    assert [tuple(m.shape[1:]) for m in found] == [
        (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2),
    ]  # fmt: skip
    for a, b in zip(found, maps, strict=True):
        torch.testing.assert_close(a, b)


def test_vgg_gradient_reaches_the_picture(network):
    loss = PerceptualLoss(extractor=network)
    fake = torch.rand(1, 3, 16, 16, requires_grad=True)
    loss(fake, torch.rand(1, 3, 16, 16)).backward()
    assert fake.grad.abs().min() >= 0
    assert fake.grad.any()


@pytest.fixture(scope="module")
def published(network, tmp_path_factory):
    r"""A folder with a state dict as torchvision publishes it (layers beyond relu5_1 included)."""
    folder = tmp_path_factory.mktemp("server")
    state = dict(network.state_dict())
    for index in (30, 32, 34):
        state[f"features.{index}.weight"] = torch.zeros(1)
    state["classifier.0.weight"] = torch.zeros(1)
    torch.save(state, folder / "draft.pth")
    prefix = hashlib.sha256((folder / "draft.pth").read_bytes()).hexdigest()[:8]
    (folder / "draft.pth").rename(folder / "vgg19.pth")
    damaged = bytearray((folder / "vgg19.pth").read_bytes())
    damaged[5000] ^= 1
    (folder / "damaged.pth").write_bytes(damaged)
    return folder, prefix


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(published):
    handler = functools.partial(Quiet, directory=published[0])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv(vgg.VARIABLE, raising=False)


def test_fetched_once_checked_and_loaded(server, published, network, tmp_path):
    folder, prefix = tmp_path / "cache", published[1]
    found = published_vgg19(url=f"{server}/vgg19.pth", sha256_prefix=prefix, folder=folder)
    for name, value in network.state_dict().items():
        assert torch.equal(found.state_dict()[name], value)
    assert [path.name for path in folder.iterdir()] == ["vgg19.pth"]
    nowhere = "http://127.0.0.1:9/vgg19.pth"  # the second time no server is asked
    assert fetch_weights(url=nowhere, sha256_prefix=prefix, folder=folder).is_file()


@pytest.mark.parametrize("name", ["damaged.pth", "vgg19.pth"])
def test_a_file_with_another_hash_is_refused_and_deleted(server, published, tmp_path, name):
    prefix = published[1] if name == "damaged.pth" else "00000000"
    with pytest.raises(WeightsUnavailable, match=f"expected {prefix}.*it was deleted"):
        fetch_weights(url=f"{server}/{name}", sha256_prefix=prefix, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_cache_is_fetched_again(server, published, tmp_path):
    (tmp_path / "vgg19.pth").write_bytes(b"half a file")
    (tmp_path / "vgg19.pth.unchecked").write_bytes(b"left by an interrupted run")
    path = fetch_weights(url=f"{server}/vgg19.pth", sha256_prefix=published[1], folder=tmp_path)
    assert path.read_bytes() == (published[0] / "vgg19.pth").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["vgg19.pth"]


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/vgg19.pth", "{server}/missing.pth"])
def test_no_server_or_no_file_says_what_to_do(server, tmp_path, address):
    url = address.format(server=server)
    with pytest.raises(WeightsUnavailable) as caught:
        fetch_weights(url=url, folder=tmp_path)
    message = str(caught.value)
    for part in ("cannot be downloaded", url, vgg.VARIABLE, "switch the loss off", "segmenter"):
        assert part in message
    assert list(tmp_path.iterdir()) == []


def test_the_variable_names_a_file(published, monkeypatch, tmp_path):
    folder, prefix = published
    nowhere = {"url": "http://127.0.0.1:9/x.pth", "folder": tmp_path}
    monkeypatch.setenv(vgg.VARIABLE, str(folder / "vgg19.pth"))
    assert fetch_weights(sha256_prefix=prefix, **nowhere) == folder / "vgg19.pth"
    monkeypatch.setenv(vgg.VARIABLE, str(folder / "damaged.pth"))
    with pytest.raises(WeightsUnavailable, match="damaged or another file"):
        fetch_weights(sha256_prefix=prefix, **nowhere)
    assert (folder / "damaged.pth").is_file()  # the user's own file is left alone
    monkeypatch.setenv(vgg.VARIABLE, str(folder / "none.pth"))
    with pytest.raises(WeightsUnavailable, match="where there is no file"):
        fetch_weights(sha256_prefix=prefix, **nowhere)


def test_a_state_dict_without_the_names_is_refused(tmp_path):
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsUnavailable, match=r"lacks features\.0\.bias"):
        load_vgg19(tmp_path / "other.pth")


def test_a_pickle_with_code_is_refused(tmp_path):
    torch.save({"features.0.weight": Path("code")}, tmp_path / "code.pth")
    with pytest.raises(WeightsUnavailable, match="it may hold code"):
        load_vgg19(tmp_path / "code.pth")


def test_the_published_name_carries_the_prefix_that_is_checked():
    assert vgg.URL.endswith(f"-{vgg.SHA256_PREFIX}.pth")
