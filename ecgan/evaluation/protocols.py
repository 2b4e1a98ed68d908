r"""Named protocols: what exactly is compared with what; two numbers of one name compare."""

from dataclasses import dataclass
from typing import Literal

from ecgan.errors import EcganError


class EvaluationError(EcganError):
    r"""Scores that cannot be had from what is there, or would mislead; says what to do."""


@dataclass(frozen=True, kw_only=True)
class Distance:
    r"""How far the generated pictures lie from real ones of the split ``reference``.

    ``features``: "chosen" are those that the caller chose, Inception's or a judge's; "lite" those
    of the lite network. Only the first may be called FID and KID.
    """

    measure: Literal["fid", "kid"]
    reference: Literal["validation", "training"]
    features: Literal["chosen", "lite"] = "chosen"

    @property
    def metric(self) -> str:
        r"""What the number is called: "fid", "kid", or with its features "fd-lite", "kd-lite"."""
        return self.measure if self.features == "chosen" else f"{self.measure[0]}d-{self.features}"

    @property
    def says(self) -> str:
        r"""The protocol in words."""
        names = {"fid": "Frechet distance", "kid": "unbiased kernel distance"}
        whose = "" if self.features == "chosen" else f"{self.features} "
        return (
            f"{names[self.measure]} between {whose}features of the pictures made from validation "
            f"layouts and {whose}features of real {self.reference} images"
        )


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    r"""What a segmenter reads in the pictures against the layouts they were made from.

    ``size``: "native" scores pictures as they were made; "upsampled" first enlarges each to the
    size of its label file. ``ignored``: pixels of label 255 are "left out", or "counted", where
    whatever the segmenter says there is wrong.
    """

    size: Literal["native", "upsampled"]
    ignored: Literal["left out", "counted"]

    @property
    def says(self) -> str:
        r"""The protocol in words."""
        sizes = {
            "native": "at the size they were made",
            "upsampled": "enlarged to the size of the label files (bilinear)",
        }
        return (
            f"a segmenter's classes of the pictures, {sizes[self.size]}, against the layouts; "
            f"pixels of label 255 {self.ignored}"
        )


PROTOCOLS: dict[str, Distance | Segmentation] = {
    "fid-validation": Distance(measure="fid", reference="validation"),
    "fid-training": Distance(measure="fid", reference="training"),
    "kid-validation": Distance(measure="kid", reference="validation"),
    "kid-training": Distance(measure="kid", reference="training"),
    "fd-lite": Distance(measure="fid", reference="validation", features="lite"),
    "fd-lite-training": Distance(measure="fid", reference="training", features="lite"),
    "kd-lite": Distance(measure="kid", reference="validation", features="lite"),
    "kd-lite-training": Distance(measure="kid", reference="training", features="lite"),
    "miou-native": Segmentation(size="native", ignored="left out"),
    "miou-native-255-counted": Segmentation(size="native", ignored="counted"),
    "miou-upsampled": Segmentation(size="upsampled", ignored="left out"),
    "miou-upsampled-255-counted": Segmentation(size="upsampled", ignored="counted"),
}


def protocol(name: str) -> Distance | Segmentation:
    r"""The protocol of that name; raises :class:`EvaluationError` for an unknown one."""
    if name not in PROTOCOLS:
        raise EvaluationError(f"no protocol {name!r}; there are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
