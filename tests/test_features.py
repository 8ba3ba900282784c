"""Features in the cache: found again, told apart, rebuilt when damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from course import features
from course.checks import masked_lm_toys as toys
from course.features import cached_features

TEXTS = ["the cat sat", "a dog", "the old red bird sang and ran", "a king"]


class Table(nn.Module):
    """A table for an encoder, of one vector a word."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.rows = nn.Parameter(torch.randn(19, 5, generator=generator))


class Extract:
    """Looks up the vectors of a sentence's tokens, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(
        self, model: Any, tokenizer: Any, sentences: list[str], pool: Any, batch_size: int
    ) -> Tensor:
        self.seen += sentences
        batch = tokenizer(sentences, padding=True, return_tensors="pt")
        with torch.no_grad():
            return pool(model.rows[batch["input_ids"]], batch["attention_mask"])


def total(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    return (hidden * attention_mask.unsqueeze(-1)).sum(dim=1)


def first(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    return hidden[:, 0]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    return tmp_path


def run(extract: Extract, texts: list[str] = TEXTS, seed: int = 0, pool: Any = total) -> Any:
    return cached_features(extract, Table(seed), toys.tokenizer(), texts, pool)


def test_second_call_extracts_nothing() -> None:
    extract = Extract()
    one = run(extract)
    assert sorted(extract.seen) == sorted(TEXTS)
    assert torch.equal(run(extract), one)
    assert len(extract.seen) == len(TEXTS)


def test_order_and_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "CHUNK", 3)
    found, model, tokenizer = run(Extract()), Table(), toys.tokenizer()
    for text, row in zip(TEXTS, found, strict=True):
        ids = tokenizer(text)["input_ids"]
        torch.testing.assert_close(row, model.rows[ids].sum(dim=0).detach())


def test_several_pools_share_one_pass() -> None:
    extract = Extract()
    both = run(extract, pool={"total": total, "first": first})
    assert len(extract.seen) == len(TEXTS)
    assert torch.equal(both["total"], run(Extract()))
    assert torch.equal(both["first"], run(Extract(), pool=first))


def test_other_content_has_another_key() -> None:
    def keys(**changes: Any) -> str:
        given = {"extract": total, "model": Table(), "tokenizer": toys.tokenizer()}
        given |= {"sentences": TEXTS, "pools": {"p": total}}
        return features.key(**(given | changes))

    def other_total(hidden: Tensor, attention_mask: Tensor) -> Tensor:
        return (hidden * attention_mask.unsqueeze(-1)).sum(dim=1) + 1

    variants = [
        keys(),
        keys(model=Table(1)),
        keys(model=Table().double()),
        keys(tokenizer=toys.tokenizer(angle=True)),
        keys(sentences=TEXTS[::-1]),
        keys(sentences=["".join(TEXTS)]),
        keys(pools={"q": total}),
        keys(pools={"p": other_total}),
        keys(extract=other_total),
    ]
    assert len(set(variants)) == len(variants)
    assert keys() == variants[0]


def test_use_of_a_tokenizer_does_not_change_its_key() -> None:
    tokenizer = toys.tokenizer()
    before = features.tokenizer_fingerprint(tokenizer)
    tokenizer(TEXTS, padding=True, truncation=True, max_length=4)
    assert features.tokenizer_fingerprint(tokenizer) == before


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "manifest"])
def test_damaged_files_are_rebuilt_with_a_notice(
    cache: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one = run(Extract())
    (file,) = cache.rglob("features.safetensors")
    data = bytearray(file.read_bytes())
    if damage == "cut":
        file.write_bytes(data[:-3])
    elif damage == "flipped":
        data[-1] ^= 255
        file.write_bytes(data)
    elif damage == "gone":
        file.unlink()
    else:
        (file.parent / "whole.json").write_text("{")
    extract = Extract()
    assert torch.equal(run(extract), one)
    assert len(extract.seen) == len(TEXTS)
    assert "damaged and extracted again" in capsys.readouterr().err
    assert torch.equal(run(Extract()), one)
    assert capsys.readouterr().err == ""
