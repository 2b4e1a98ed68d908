r"""Opening any picture: whatever Pillow finds wrong with it becomes a sentence with its name."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from ecgan.data.folders.conventions import FolderError
from ecgan.errors import EcganError

BEGINNINGS = {
    b"version https://git-lfs": "is a pointer of Git LFS, not the file itself: run git lfs pull",
    b"<": "is a web page or XML, not an image: fetch it again",
}


class DamagedFile(FolderError):
    r"""One file that cannot be read; others of its folder may well be."""


def _no_image(path: Path) -> str:
    beginning = path.read_bytes()[:64] if path.is_file() else b""
    if not beginning:
        return "is empty: fetch or export it again"
    met = [said for start, said in BEGINNINGS.items() if beginning.lstrip().startswith(start)]
    return met[0] if met else "is not an image; delete it or fetch it again"


def _too_large(error: Exception) -> str:
    met, allowed = re.findall(r"\d+", str(error))[:2]
    return (
        f"has {int(met) / 1e6:.0f} million pixels, {int(allowed) / 1e6:.0f} million are read: cut "
        f"it into tiles, or scale it down"
    )


def _reason(error: Exception) -> str:
    return str(error).split("\n")[0][:100] or type(error).__name__


def _no_room(path: Path) -> DamagedFile:
    return DamagedFile(
        f"{path} is too large for the memory that is free: cut it into tiles, or scale it down"
    )


@contextmanager
def open_picture(path: str | Path) -> Iterator[Image.Image]:
    r"""An opened image, not yet decoded.

    Raises :class:`DamagedFile` for what cannot be read, while it is opened and inside the block.
    """
    path = Path(path)
    try:
        with Image.open(path) as image:
            yield image
    except EcganError:
        raise
    except MemoryError as error:
        raise _no_room(path) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DamagedFile(f"{path} {_too_large(error)}") from error
    except UnidentifiedImageError as error:
        raise DamagedFile(f"{path} {_no_image(path)}") from error
    except FileNotFoundError as error:
        link = "is a link to nothing" if path.is_symlink() else "is not there"
        raise DamagedFile(f"{path} {link}") from error
    except (PermissionError, IsADirectoryError) as error:
        raise DamagedFile(f"{path} cannot be opened ({error.strerror})") from error
    except Exception as error:  # every plugin of Pillow raises what it likes
        large = "too large" in str(error)
        advice = (
            "save it again without profile and comments" if large else "fetch or export it again"
        )
        raise DamagedFile(f"{path} is truncated or damaged ({_reason(error)}); {advice}") from error


def decode(image: Image.Image, path: Path) -> None:
    r"""Read all pixels. Raises :class:`DamagedFile` where the file ends too early."""
    try:
        image.load()
    except MemoryError as error:
        raise _no_room(path) from error
    except Exception as error:
        raise DamagedFile(
            f"{path} is truncated or damaged ({_reason(error)}); fetch or export it again"
        ) from error


def turned(image: Image.Image) -> Image.Image:
    r"""As the EXIF flag wants it seen; a damaged flag turns nothing, as in a viewer."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow's reader of EXIF raises anything
        return image
