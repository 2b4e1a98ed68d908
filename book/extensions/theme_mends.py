r"""A Sphinx extension: what the theme and its helpers get wrong for a reader.

Icons come from a web font, but the theme loads all of Font Awesome a second time, as a script of
1.5 MB. Each page loads the index of the search, which only the page of the search uses. Pictures
store three bytes a pixel where one does. A bibliography is announced as a list whose entries are no
list items. The table of run times shows ticks that only an emoji font has. The settings of Thebe
are declared twice, which is an error. And what is wider than its place is cut off (``fit.js``).
"""

import re
from pathlib import Path

from PIL import Image
from sphinx.application import Sphinx

ICONS = Path("_static") / "scripts" / "fontawesome.js"
INDEX = re.compile(r'<script src="[^"]*searchindex\.js"></script>')
THEBE = re.compile(r"(<script>const THEBE_JS_URL.*?</script>)(.*)\1", re.DOTALL)
TICKS = {"✅": "ran", "❌": "failed"}


def mend(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    r"""Let each entry of a bibliography be an item of its list, and ticks be words."""
    if "body" in context:
        body = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')
        for tick, word in TICKS.items():
            body = body.replace(tick, word)
        context["body"] = body


def lighten(app: Sphinx, exception: Exception | None) -> None:
    r"""Empty the script of icons, which pages still ask for, and take the index out of them.

    Pictures, which are opaque, keep every colour: in a palette where that holds them all.
    """
    folder = Path(app.outdir)
    if exception is not None or not (folder / ICONS).is_file():
        return
    (folder / ICONS).write_text("// The icons come from the web font.\n")
    for page in folder.rglob("*.html"):
        text = THEBE.sub(r"\1\2", page.read_text())
        page.write_text(text if page.name == "search.html" else INDEX.sub("", text))
    for picture in (folder / "_images").glob("*.png"):
        with Image.open(picture) as image:
            flat = image.convert("RGB")
        small = flat.quantize(256)
        exact = small.convert("RGB").tobytes() == flat.tobytes()
        (small if exact else flat).save(picture, optimize=True)


def setup(app: Sphinx) -> dict[str, bool]:
    r"""Register with Sphinx."""
    app.add_js_file("fit.js")
    app.connect("html-page-context", mend)
    app.connect("build-finished", lighten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
