r"""Typical wrong answers of the chapter on photographs, and the hint each must get."""

import torch
import torch.nn.functional as F
from einops import rearrange, reduce


def _deep(labels, number, distance):
    other = rearrange((labels != number).float(), "b h w -> b 1 h w")
    return rearrange(F.max_pool2d(other, 2 * distance + 1, 1, distance) == 0, "b 1 h w -> b h w")


def _of_all_pixels(lines, labels, number, distance):
    return (lines & _deep(labels, number, distance)).float().mean()


def _too_near(lines, labels, number, distance):
    return lines[_deep(labels, number, distance - 1)].float().mean()


def _of_the_lines(lines, labels, number, distance):
    return _deep(labels, number, distance)[lines].float().mean()


def _one_pixel(maps):
    return torch.logit(reduce(torch.sigmoid(maps), "b c h w -> b c 1 1", "mean"))


def _mean_first(maps):
    return reduce(maps, "b c h w -> b c 1 1", "mean") + torch.zeros_like(maps)


def _attention(maps):
    return reduce(torch.sigmoid(maps), "b c h w -> b c 1 1", "mean") + torch.zeros_like(maps)


def _all_channels(maps):
    level = reduce(torch.sigmoid(maps), "b c h w -> b 1 1 1", "mean")
    return torch.logit(level) + torch.zeros_like(maps)


def _ratio(metric, of, upside_down=False):
    def answer(rows, painter):
        found = {row["painter"]: row["value"] for row in rows if row["metric"] == metric}
        pair = found.get(painter, 1.0), found[of]
        return pair[1] / pair[0] if upside_down else pair[0] / pair[1]

    return answer


WRONG = {
    "photographs.crops": [
        (lambda height, width: height * width // 128**2, "cannot be bent around the edge"),
        (lambda height, width: -(-height // 128) * -(-width // 128), "Whole crops only"),
    ],
    "photographs.inside": [
        (lambda lines, labels, k, d: lines[labels == k].float().mean(), "beside the boundary"),
        (_of_all_pixels, "all the pixels of the layouts"),
        (_too_near, "One pixel too near"),
        (_of_the_lines, "the share of the lines"),
    ],
    "photographs.mean_only": [
        (_one_pixel, "one pixel a channel"),
        (_mean_first, "first the sigmoid"),
        (_attention, "the attention itself"),
        (torch.zeros_like, "one and a half"),
        (_all_channels, "a mean of its own"),
    ],
    "photographs.floor": [
        (_ratio("kd-lite", "training"), "look at the protocol's name"),
        (_ratio("fd-lite", "training", upside_down=True), "Upside down"),
        (_ratio("fd-lite", "flat"), "the flat pictures"),
    ],
}
