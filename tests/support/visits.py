r"""Opens built pages as readers do, on a phone and at night, and notes what they find."""

from dataclasses import dataclass
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from support.browser import Server

PHONE = {"width": 390, "height": 844}
LAPTOP = {"width": 1280, "height": 800}
GRAVE = {"serious", "critical"}
COLOUR = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
SET = """() => window.MathJax === undefined ||
  document.querySelectorAll("span.math, div.math").length
  === document.querySelectorAll(".math > mjx-container").length"""
# One token of each colour is enough for axe, and glyphs of formulas have the colour of their text.
THIN = """() => {
  document.querySelectorAll("mjx-math").forEach((glyphs) => glyphs.remove());
  const seen = new Set();
  document.querySelectorAll("article pre span").forEach((token) => {
    const place = token.closest("div[class*=cell], div[class*=highlight]");
    const kind = `${token.className} in ${place?.className}`;
    if (seen.has(kind)) token.replaceWith(...token.childNodes);
    seen.add(kind);
  });
}"""
NIGHT = "Object.assign(document.documentElement.dataset, { mode: 'dark', theme: 'dark' })"
STILL = "*, ::before, ::after { transition: none !important; animation: none !important }"
# Whatever is wider than the box it stands in: its end is not seen. Folded boxes are opened first.
CUT = """async () => {
  const folded = [...document.querySelectorAll("article details:not([open])")];
  folded.forEach((part) => { part.open = true; });
  await new Promise((ready) => requestAnimationFrame(() => requestAnimationFrame(ready)));
  const wide = (box) => box.scrollWidth > box.clientWidth + 1;
  const beyond = (box) => box.getBoundingClientRect().width > box.parentElement.clientWidth + 1;
  const cut = [
    ...[...document.querySelectorAll("article pre, article div.math > mjx-container")]
      .filter((box) => box.clientWidth && wide(box)),
    ...[...document.querySelectorAll("article table, article .cell_output img")].filter(beyond),
  ].map((box) => `${box.tagName}: ${(box.textContent.trim() || box.alt).slice(0, 60)}`);
  folded.forEach((part) => { part.open = false; });
  return cut;
}"""
FOCUS = """() => {
  const focused = document.activeElement, style = getComputedStyle(focused);
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const ringed = style.boxShadow !== "none" && !style.boxShadow.startsWith("rgba(0, 0, 0, 0)");
  const seen = outlined || ringed;
  return [focused.outerHTML.slice(0, 120), seen, focused === document.body];
}"""


@dataclass(frozen=True, kw_only=True)
class Visit:
    r"""What a page showed: grave faults, what is cut off, its width on a phone, its bytes."""

    faults: list[str]
    cut: list[str]
    width: int
    weight: int


def faults(tab: Page, mode: str, **options) -> list[str]:
    r"""The grave faults that axe finds, each with the piece of the page that has it."""
    options = {"resultTypes": ["violations"], **options}
    found = Axe().run(tab, options=options).response["violations"]
    return [
        f"{mode}: {fault['id']} in {node['html'][:150]}"
        for fault in found
        if fault["impact"] in GRAVE
        for node in fault["nodes"][:3]
    ]


def visit(browser: Browser, server: Server, name: str, *, thorough: bool = False) -> Visit:
    r"""Open a page on a phone by day, with all rules of axe, then on a laptop by night.

    By night the rules of colour are enough, unless ``thorough``: what stands where is the same.
    """
    context = browser.new_context(viewport=PHONE, color_scheme="light")
    tab = context.new_page()
    server.asked.clear()
    tab.goto(f"{server.address}/{name}")
    tab.wait_for_function(SET, timeout=20_000)
    asked = {server.folder / path.lstrip("/") for path in server.asked}
    weight = sum(path.stat().st_size for path in asked if path.is_file() and not _painter(path))
    width = tab.evaluate("document.documentElement.scrollWidth")
    cut = [f"on a phone, {box}" for box in tab.evaluate(CUT)]
    tab.evaluate(THIN)
    tab.add_style_tag(content=STILL)
    found = faults(tab, "light")
    tab.emulate_media(color_scheme="dark")
    tab.set_viewport_size(LAPTOP)
    tab.evaluate(NIGHT)
    cut += [f"on a laptop, {box}" for box in tab.evaluate(CUT)]
    found += faults(tab, "dark", **({} if thorough else {"runOnly": COLOUR}))
    context.close()
    return Visit(faults=found, cut=cut, width=width, weight=weight)


def _painter(path: Path) -> bool:
    r"""The network and its runtime, which the page of the painter names with their size."""
    return path.parent.match("_static/paint/generated")


def unseen_focus(browser: Browser, server: Server, name: str, presses: int) -> list[str]:
    r"""What the tab key reaches without anything to be seen of it, by day and by night."""
    found = []
    for scheme in ("light", "dark"):
        tab = browser.new_page(viewport=LAPTOP, color_scheme=scheme)
        tab.goto(f"{server.address}/{name}")
        reached = set()
        for _ in range(presses):
            tab.keyboard.press("Tab")
            element, seen, nowhere = tab.evaluate(FOCUS)
            reached |= set() if nowhere else {element}
            found += [] if seen or nowhere else [f"{scheme}: {element}"]
        assert len(reached) > presses // 2, f"the tab key reaches only {reached}"
        tab.close()
    return found
