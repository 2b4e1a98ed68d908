r"""Write the public address everywhere: `make repository URL=https://github.com/OWNER/NAME`.

`_config.yml` says what the address is now; this replaces it there and in the files that repeat it.
"""

import re
import sys
from pathlib import Path

from book import ROOT

ADDRESS = re.compile(r"https://github\.com/([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+?)(?:\.git)?/?")
CURRENT = re.compile(r"^repository:\n  url: https://github\.com/(\S+)$", re.MULTILINE)


def holders() -> list[Path]:
    r"""The files in which the address stands."""
    pages = [ROOT / "book" / "tools" / "setup_cell.py", *(ROOT / "book" / "pages").glob("*.md")]
    top = [ROOT / name for name in ("_config.yml", "README.md", "CITATION.cff")]
    return [*top, *pages, *sorted((ROOT / "notebooks").glob("*.ipynb"))]


def current() -> str:
    r"""The address now, as OWNER/NAME."""
    found = CURRENT.search((ROOT / "_config.yml").read_text())
    if found is None:
        sys.exit("_config.yml has no `url: https://github.com/OWNER/NAME` under `repository:`")
    return found.group(1)


def main(url: str) -> None:
    r"""Replace the address by the given one."""
    address = ADDRESS.fullmatch(url.strip())
    if address is None:
        sys.exit(f"{url!r} is no address of the form https://github.com/OWNER/NAME")
    old, new = current(), address.group(1)
    for path in holders():
        text = path.read_text()
        if old in text:
            path.write_text(text.replace(old, new))
            print(f"{path.relative_to(ROOT)}: {text.count(old)} times {new}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
