r"""The released networks once more, naively: plain functions on the authors' own names.

Nothing here comes from the package, so that its networks have something to be equal to where no
golden case exists. The golden case holds this file to the authors' results.
"""

import torch
import torch.nn.functional as F

DOUBLED_BEFORE = {  # blocks whose input is doubled first, by kind of up-sampling
    "normal": {"G_middle_0", "up_0", "up_1", "up_2", "up_3"},
    "more": {"G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3"},
    "most": {"G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3", "up_4"},
}


def leaky(x):
    return torch.where(x > 0, x, 0.2 * x)


def one_hot(labels, classes, dont_care, instances=None):
    r"""Channels of every class, of don't care (255), of the instances' boundaries; by loops."""
    ids = [*range(classes)] + [255] * dont_care
    channels = torch.stack([(labels == index).float() for index in ids], dim=1)
    if instances is None:
        return channels
    edge = torch.zeros_like(labels, dtype=torch.float)
    for b, y, x in torch.cartesian_prod(*map(torch.arange, labels.shape)).tolist():
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            inside = 0 <= v < labels.shape[1] and 0 <= u < labels.shape[2]
            if inside and instances[b, v, u] != instances[b, y, x]:
                edge[b, y, x] = 1
    return torch.cat([channels, edge[:, None]], dim=1)


class Weights:
    r"""Convolutions and norms by name, from a state dict of the authors' names."""

    def __init__(self, state, prefix=""):
        self.state = {
            name.removeprefix(prefix): torch.as_tensor(value) for name, value in state.items()
        }

    def conv(self, name, x, **how):
        weight = self.state.get(f"{name}.weight")
        if weight is None:  # spectrally normalised
            weight = self.state[f"{name}.weight_orig"]
            matrix = weight.flatten(1)
            weight = weight / (
                self.state[f"{name}.weight_u"] @ matrix @ self.state[f"{name}.weight_v"]
            )
        return F.conv2d(x, weight, self.state.get(f"{name}.bias"), **how)

    def same(self, name, x):
        return self.conv(name, x, padding="same")

    def spade(self, name, x, layout):
        mean = self.state[f"{name}.param_free_norm.running_mean"][:, None, None]
        variance = self.state[f"{name}.param_free_norm.running_var"][:, None, None]
        normal = (x - mean) / torch.sqrt(variance + 1e-5)
        small = F.interpolate(layout, size=x.shape[2:], mode="nearest")
        hidden = torch.relu(self.same(f"{name}.mlp_shared.0", small))
        gamma, beta = (self.same(f"{name}.mlp_{part}", hidden) for part in ("gamma", "beta"))
        return normal * (1 + gamma) + beta

    def block(self, name, x, layout):
        shortcut = x
        if f"{name}.conv_s.weight_orig" in self.state:
            shortcut = self.same(f"{name}.conv_s", self.spade(f"{name}.norm_s", x, layout))
        x = self.same(f"{name}.conv_0", leaky(self.spade(f"{name}.norm_0", x, layout)))
        x = self.same(f"{name}.conv_1", leaky(self.spade(f"{name}.norm_1", x, layout)))
        return shortcut + x


def generator(state, layout, *, upsampling, prefix=""):
    r"""Edge map, first image, final image."""
    net = Weights(state, prefix)
    doubled = DOUBLED_BEFORE[upsampling]
    size = [side // 2 ** len(doubled) for side in layout.shape[2:]]
    x = net.same("fc", F.interpolate(layout, size=size, mode="nearest"))
    blocks = ["head_0", "G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3"]
    for block in blocks + ["up_4"] * (upsampling == "most"):
        if block in doubled:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = net.block(block, x, layout)
    edge = image = x
    for level in (1, 2, 3):
        edge = net.same(f"conv_edge{level}", leaky(edge))
        image = net.same(f"conv_img{level}", leaky(image))
        image = torch.sigmoid(edge) * image + image
    edge = torch.tanh(net.same("conv_edge4", leaky(edge)))
    image = torch.tanh(net.same("conv_img4", leaky(image)))
    first = torch.sigmoid(edge) * image + image
    maps = net.same("conv_comb1", leaky(torch.cat([x, first, edge, layout], dim=1)))
    gate = torch.sigmoid(maps.mean(dim=(2, 3), keepdim=True))
    y = net.same("conv_comb2", leaky(maps * gate + maps))
    return edge, first, torch.tanh(net.same("conv_comb", leaky(y)))


def discriminator(state, layout, picture, *, prefix=""):
    r"""Per scale, every layer's output."""
    net, x, results = Weights(state, prefix), torch.cat([layout, picture], dim=1), []
    for scale in (0, 1):
        name = f"discriminator_{scale}"
        layers = [leaky(net.conv(f"{name}.model0.0", x, stride=2, padding=2))]
        for index, stride in ((1, 2), (2, 2), (3, 1)):
            y = net.conv(f"{name}.model{index}.0.0", layers[-1], stride=stride, padding=2)
            mean = y.mean(dim=(2, 3), keepdim=True)
            variance = y.var(dim=(2, 3), keepdim=True, correction=0)
            layers.append(leaky((y - mean) / torch.sqrt(variance + 1e-5)))
        results.append([*layers, net.conv(f"{name}.model4.0", layers[-1], padding=2)])
        ones = F.avg_pool2d(F.pad(torch.ones_like(x), (1, 1, 1, 1)), 3, stride=2)
        x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 3, stride=2) / ones
    return results
