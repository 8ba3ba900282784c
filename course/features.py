"""Features of a frozen model, extracted once and kept in the cache by the hash of their content.

    features = cached_features(extract_features, model, tokenizer, sentences, mean_pool)

Several pools by name, ``{"mean": mean_pool, "max": max_pool}``, share one pass through the model.

A frozen encoder gives the same vectors in every epoch and every run: one pass is enough for all.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import torch
from torch import Tensor, nn

from course.cache import CourseError, build_once, cache_dir, is_whole, locked

Pool = Callable[[Tensor, Tensor], Tensor]
Extract = Callable[..., Tensor]
CHUNK = 512  # sentences between two moves of the progress bar
FILE = "features.safetensors"


@overload
def cached_features(
    extract: Extract,
    model: nn.Module,
    tokenizer: Any,
    sentences: Sequence[str],
    pool: Pool,
    batch_size: int = 32,
) -> Tensor: ...
@overload
def cached_features(
    extract: Extract,
    model: nn.Module,
    tokenizer: Any,
    sentences: Sequence[str],
    pool: Mapping[str, Pool],
    batch_size: int = 32,
) -> dict[str, Tensor]: ...
def cached_features(
    extract: Extract,
    model: nn.Module,
    tokenizer: Any,
    sentences: Sequence[str],
    pool: Pool | Mapping[str, Pool],
    batch_size: int = 32,
) -> Tensor | dict[str, Tensor]:
    """The features of the sentences, from the cache or extracted now with a progress bar.

    extract: called as extract(model, tokenizer, sentences, pool, batch_size), returns (sentences,
    dim); the `extract_features` of exercise 6 is one. pool: a function of hidden states (batch,
    length, dim) and attention mask (batch, length), or several by name: these share one pass
    through the model. Returns a tensor (sentences, dim), or one for each name.

    What is kept is found again by a hash over the model's weights and structure, the tokenizer,
    the sentences, and the names and code of `extract` and the pools (not of what these call in
    turn). Damaged files are rebuilt with a notice. Raises CourseError when the cache cannot be
    written.
    """
    pools = dict(pool) if isinstance(pool, Mapping) else {"pool": pool}
    texts = list(sentences)
    folder = cache_dir() / "features" / key(extract, model, tokenizer, texts, pools)

    def make(part: Path) -> None:
        _save(_extract(extract, model, tokenizer, texts, pools, batch_size), part)

    space = 16_384 * len(texts) * len(pools)  # generous: 4,096 numbers a sentence
    found = _load_or_rebuild(folder, make, space)
    return found if isinstance(pool, Mapping) else found["pool"]


def key(
    extract: Extract,
    model: nn.Module,
    tokenizer: Any,
    sentences: Sequence[str],
    pools: Mapping[str, Pool],
) -> str:
    """The name under which features are kept: 32 hexadecimal digits of a SHA-256."""
    digest = hashlib.sha256()
    digest.update(fingerprint(model).encode())
    digest.update(tokenizer_fingerprint(tokenizer).encode())
    for text in [*sentences, "", *pools]:
        digest.update(f"{len(text)}:{text}".encode())
    for function in (extract, *pools.values()):
        digest.update(repr(_code(function)).encode())
    return digest.hexdigest()[:32]


def fingerprint(model: nn.Module) -> str:
    """A SHA-256 over a model's structure, configuration, weights and buffers."""
    digest = hashlib.sha256(repr(model).encode())
    config = getattr(model, "config", None)
    if config is not None:
        digest.update(json.dumps(_plain(config.to_dict()), sort_keys=True).encode())
    for name, value in model.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def tokenizer_fingerprint(tokenizer: Any) -> str:
    """A SHA-256 over a tokenizer's vocabulary, rules, special tokens and limit."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules = json.loads(backend.to_str()) if backend is not None else tokenizer.get_vocab()
    for last_used in ("truncation", "padding"):  # what the last call left behind, no rule
        rules.pop(last_used, None)
    special = (tokenizer.special_tokens_map, tokenizer.model_max_length, tokenizer.padding_side)
    return hashlib.sha256(f"{json.dumps(rules)}{special}".encode()).hexdigest()


def _plain(config: dict[str, Any]) -> dict[str, str]:
    """A configuration without what says only where a model came from."""
    passing = ("_name_or_path", "transformers_version")
    return {name: str(value) for name, value in config.items() if name not in passing}


def _code(function: Any) -> Any:
    """What a function does, as nested tuples; for anything without code, its name."""
    code = getattr(function, "__code__", function)
    if not hasattr(code, "co_code"):
        kind = type(function)
        return getattr(function, "__qualname__", f"{kind.__module__}.{kind.__qualname__}")
    # A docstring is a constant too, and harmless: rebuilding once too often costs only time.
    constants = tuple(_code(c) if hasattr(c, "co_code") else repr(c) for c in code.co_consts)
    return code.co_name, code.co_code.hex(), code.co_names, constants


def _extract(
    extract: Extract,
    model: nn.Module,
    tokenizer: Any,
    texts: list[str],
    pools: Mapping[str, Pool],
    batch_size: int,
) -> dict[str, Tensor]:
    """The features of every pool, from one pass through the model."""
    widths: list[int] = []

    def together(hidden: Tensor, attention_mask: Tensor) -> Tensor:
        parts = [pool(hidden, attention_mask) for pool in pools.values()]
        widths[:] = [part.size(1) for part in parts]
        return torch.cat(parts, dim=1)  # (batch, sum of the widths)

    # Longest texts first, so that a chunk has about equal lengths and too little memory shows soon.
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]), reverse=True)
    found = [
        extract(model, tokenizer, [texts[i] for i in chunk], together, batch_size=batch_size)
        for chunk in _with_bar(order)
    ]
    features = torch.cat(found)[torch.tensor(order).argsort()]  # (sentences, sum of the widths)
    parts = features.split(widths, dim=1)
    return {name: part.contiguous() for name, part in zip(pools, parts, strict=True)}


def _with_bar(order: list[int]) -> Iterator[list[int]]:
    """The order in chunks, with a progress bar when it takes more than two seconds."""
    from tqdm.auto import tqdm

    with tqdm(total=len(order), desc="sentences", leave=False, delay=2) as bar:
        for start in range(0, len(order), CHUNK):
            chunk = order[start : start + CHUNK]
            yield chunk
            bar.update(len(chunk))


def _digest(features: Mapping[str, Tensor]) -> str:
    """A SHA-256 over names, shapes and values of features."""
    digest = hashlib.sha256()
    for name in sorted(features):
        value = features[name]
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _save(features: dict[str, Tensor], folder: Path) -> None:
    from safetensors.torch import save_file

    save_file(features, folder / FILE, {"sha256": _digest(features)})


def _load(folder: Path) -> dict[str, Tensor]:
    """The features in a folder; ValueError when they are not those that were written."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / FILE, "pt") as file:
            written = (file.metadata() or {}).get("sha256")
            # Copies: the file may be replaced while its tensors are in use.
            names = list(file.keys())
            features = {name: file.get_tensor(name).clone() for name in names}
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{FILE} cannot be read: {error}") from error
    if _digest(features) != written:
        raise ValueError(f"{FILE} holds other values than were written")
    return features


def _load_or_rebuild(folder: Path, make: Callable[[Path], None], space: int) -> dict[str, Tensor]:
    """What is in the folder, built when there is none, and built again when it is damaged."""
    try:
        if is_whole(folder):
            return _load(folder)
    except (CourseError, ValueError) as damage:
        print(f"these features are damaged and extracted again ({damage})", file=sys.stderr)
        with locked(folder.with_name(f"{folder.name}.lock")):
            shutil.rmtree(folder, ignore_errors=True)
    return _load(build_once(folder, make, space))
