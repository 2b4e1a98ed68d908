r"""Every figure of the chapters as a slide of 16:9, from the built book: `make slides`.

A slide is the figure, its caption and where it comes from. `captions.md` beside the pictures says
what is to be seen on each.
"""

from pathlib import Path

from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser, Page

from book import ROOT
from book.tools.chromium import Server, headless, served

HTML = ROOT / "_build" / "html"
SLIDES = ROOT / "_build" / "slides"
SIZE = {"width": 1280, "height": 720}
SHARPER = 1.5  # 1920 by 1080 pixels
WIDE = 1.45  # a figure at least this much wider than high has its caption below
STYLE = """
#slide { position: fixed; inset: 0; z-index: 9999; background: #fff; color: #14181e;
  display: grid; grid-template: auto 1fr auto auto / 1fr; gap: 14px; padding: 28px 44px 20px; }
#slide.tall { grid-template: auto 1fr auto / auto 1fr; column-gap: 32px; }
#slide h1 { font-size: 30px; margin: 0; grid-column: 1 / -1; color: inherit; }
#slide .picture { min-width: 0; min-height: 0; display: grid; place-items: center; }
#slide .picture img { display: block; object-fit: contain; width: 100%; height: 100%;
  min-height: 0; image-rendering: auto; }
#slide.tall .picture img { width: auto; max-width: 800px; }
#slide .caption { font-size: 20px; line-height: 1.35; margin: 0; align-self: center; }
#slide .source { font-size: 14px; color: #48566b; grid-column: 1 / -1; margin: 0; }
"""
# Builds one slide over the page from the figure with the given number on it; its fit is checked
# by the caller, who makes the letters smaller until nothing overflows.
SHOW = """
async ([index, title, source, wide]) => {
  document.getElementById("slide")?.remove();
  const figure = document.querySelectorAll("article figure")[index];
  const picture = figure.querySelector("img:not([hidden])").cloneNode();
  picture.removeAttribute("style");
  picture.loading = "eager";
  await picture.decode();
  const slide = document.createElement("div");
  slide.id = "slide";
  slide.className = picture.naturalWidth / picture.naturalHeight < wide ? "tall" : "";
  slide.innerHTML =
    "<h1></h1><div class='picture'></div><p class='caption'></p><p class='source'></p>";
  slide.querySelector("h1").textContent = title;
  slide.querySelector(".picture").append(picture);
  slide.querySelector(".source").textContent = source;
  const caption = figure.querySelector("figcaption").cloneNode(true);
  caption.querySelectorAll(".headerlink").forEach((link) => link.remove());
  const words = caption.querySelector(".caption-text") ?? caption;
  slide.querySelector(".caption").append(...words.childNodes);
  document.body.append(slide);
}
"""
SHRINK = """
() => {
  const slide = document.getElementById("slide"), caption = slide.querySelector(".caption");
  let size = 20;
  const full = () => slide.scrollHeight > slide.clientHeight ||
    caption.offsetHeight > slide.clientHeight * (slide.className ? 0.8 : 0.3);
  while (full() && size > 12) caption.style.fontSize = `${(size -= 1)}px`;
  return size;
}
"""


def figures(page: BeautifulSoup) -> list[Tag]:
    r"""The figures of a page, in the order in which the browser finds them."""
    return page.select("article figure")


def number(figure: Tag) -> str:
    r"""The figure's number as the page shows it, such as "Fig. 3.1"; nothing for a slider."""
    shown = figure.select_one(".caption-number")
    return shown.get_text().strip() if shown else ""


def words(figure: Tag) -> tuple[str, str]:
    r"""Caption and alternative text of a figure, as plain text."""
    caption = figure.select_one(".caption-text") or figure.figcaption
    picture = next(image for image in figure.find_all("img") if not image.has_attr("hidden"))
    return " ".join(caption.get_text().split()).rstrip("#"), picture["alt"]


def draw(page: Page, chapter: Path, folder: Path) -> list[str]:
    r"""Writes the slides of one chapter; the lines that describe them."""
    document = BeautifulSoup(chapter.read_text(), "html.parser")
    title = document.h1.get_text().strip().rstrip("#")
    lines = [f"## {title}", ""]
    page.evaluate("MathJax.startup.promise")
    page.add_style_tag(content=STYLE)
    for index, figure in enumerate(figures(document)):
        name = f"{chapter.stem}-{index + 1}.png"
        source = " · ".join(filter(None, ("ECGAN, step by step", number(figure), "CC BY 4.0")))
        page.evaluate(SHOW, [index, title, source, WIDE])
        page.evaluate(SHRINK)
        page.screenshot(path=folder / name)
        caption, alt = words(figure)
        lines += [f"- **{name}**: {caption}", f"  - *To be seen:* {alt}"]
    return [*lines, ""]


def write(browser: Browser, server: Server, folder: Path, only: str = "*") -> int:
    r"""Writes the slides of the chapters whose names match ``only``; how many they are."""
    chapters = sorted((server.folder / "notebooks").glob(f"{only}.html"))
    lines = ["# Slides", "", "Prose and figures: CC BY 4.0.", ""]
    page = browser.new_page(viewport=SIZE, device_scale_factor=SHARPER, color_scheme="light")
    for chapter in chapters:
        page.goto(f"{server.address}/notebooks/{chapter.name}")
        lines += draw(page, chapter, folder)
    page.close()
    (folder / "captions.md").write_text("\n".join(lines))
    return len(list(folder.glob("*.png")))


def main() -> None:
    r"""Writes all slides, and says how many."""
    SLIDES.mkdir(parents=True, exist_ok=True)
    for old in SLIDES.glob("*.png"):
        old.unlink()
    with served(HTML) as server, headless() as browser:
        print(f"{write(browser, server, SLIDES)} slides in {SLIDES}")


if __name__ == "__main__":
    main()
