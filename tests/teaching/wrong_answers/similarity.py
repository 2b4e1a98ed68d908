r"""Typical wrong answers to the exercises of chapter 06."""

import torch
from einops import einsum, rearrange


def summed_over_images(p):
    pixels = rearrange(p, "b k h w -> b k (h w)")
    return einsum(pixels, pixels, "b k m, b k n -> m n")


def classes_not_pixels(p):
    pixels = rearrange(p, "b k h w -> b k (h w)")
    return einsum(pixels, pixels, "b k m, b l m -> b k l")


def without_the_diagonal(costs, pairs):
    other = ~torch.eye(len(costs), dtype=torch.bool)
    return costs[other].mean(), costs[other].var(correction=0) / pairs


WRONG = {
    "similarity.affinity": [
        (summed_over_images, "where (2, 30, 30) is wanted. First join the axes h and w"),
        (classes_not_pixels, "sum the products over the class axis k alone"),
    ],
    "similarity.unbiased": [
        (without_the_diagonal, "a pixel with itself included"),
        (lambda c, n: (c.mean(), c.var() / n), "divide by their number"),
        (lambda c, n: (c.mean(), c.var(correction=0)), "What does averaging 8 draws do to it?"),
        (lambda c, n: c.mean(), "two numbers are wanted"),
    ],
    "similarity.rename": [
        (lambda p: p, "which is not far larger"),
        (lambda p: p.flip(3), "leave the pixels where they are"),
        (lambda p: 1 - p, "no probabilities any more"),
    ],
    "similarity.shares": [
        (lambda p: (2 * p, p**2), "What is the chance that neither is?"),
        (lambda p: (2 * p * (1 - p), p**2), "exactly one pixel of the class"),
        (lambda p: (p, p**2), "unless neither pixel is of the class"),
    ],
}
