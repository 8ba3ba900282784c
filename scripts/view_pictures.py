"""Draw the seven views for the docs, from the course's own models: docs/pictures/NAME.png.

    python scripts/view_pictures.py [NAME ...]

Each is the live view in a browser, so it needs Chromium; the first run loads the models.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from course import data, models, views
from course.syllabus import ROOT

PICTURES = ROOT / "docs" / "pictures"
PET = "The animal did not cross the street because it was too tired."
KING = "The king gave the poor girl a golden ring and said that she should keep it."


def attention_explorer() -> views.View:
    model, tokenizer = models.load("encoder")
    return views.AttentionExplorer.from_model(model, tokenizer, PET, layer=2, head=3, row=9)


def qkv_stepper() -> views.View:
    model, tokenizer = models.load("encoder")
    return views.QKVStepper.from_model(model, tokenizer, PET, layer=2, head=3, step=4, row=9)


def mask_playground() -> views.View:
    model, tokenizer = models.load("masked_lm")
    view = views.MaskPlayground.from_model(model, tokenizer, "The cat drank a bowl of milk.")
    view.position = view.tokens.index("milk")
    view.masked = [view.position]
    return view


def pooling_map() -> views.View:
    rows = data.load("topics", "dev")
    texts, labels = rows["text"][:40], rows["label"][:40]
    names = rows.features["label"].names
    model, tokenizer = models.load("encoder")
    kinds = [names[label] for label in labels]
    return views.PoolingMap.from_model(model, tokenizer, list(texts), kinds)


def probability_strip() -> views.View:
    model, tokenizer = models.load("causal_lm")
    return views.ProbabilityStrip.from_model(model, tokenizer, KING, position=8)


def beam_tree() -> views.View:
    model, tokenizer = models.load("small_gpt2")
    return views.BeamTree.from_model(model, tokenizer, "The king was", beams=3, steps=4)


def logit_lens() -> views.View:
    model, tokenizer = models.load("small_gpt2")
    return views.LogitLens.from_model(model, tokenizer, KING, layer=4, position=6)


MAKERS: dict[str, Callable[[], views.View]] = {
    maker.__name__: maker
    for maker in (
        attention_explorer,
        qkv_stepper,
        mask_playground,
        pooling_map,
        probability_strip,
        beam_tree,
        logit_lens,
    )
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MAKERS))
    wanted = parser.parse_args().names or list(MAKERS)
    if strange := set(wanted) - set(MAKERS):
        parser.error(f"no view {', '.join(sorted(strange))}: there are {', '.join(MAKERS)}")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        print("no chromium on this machine: install it, or set PATH", file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name in tqdm(wanted, unit="view"):
            page = browser.new_page(viewport={"width": 1000, "height": 400})
            page.set_content(MAKERS[name]().to_html())
            page.wait_for_selector("[data-painted]")
            shot = page.locator("#view").screenshot()
            picture = Image.open(io.BytesIO(shot)).convert("RGB").quantize(128)
            picture.save(PICTURES / f"{name}.png", optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
