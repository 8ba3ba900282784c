"""Train a GPT-2 of 4 layers x 256 with its own BPE of 4,096 pieces on Andersen's tales.

    python scripts/train_small_gpt2.py --minutes 90

Other public-domain novels and WordNet's example sentences are mixed in; the tales' share grows
while the learning rate falls. Run it again to resume. The figure is bits a character on held-out
tales, the only one that models with different tokenizers share.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
import training

VOCABULARY, LAYERS, WIDTH, HEADS, BLOCK = 4096, 4, 256, 4, 256
BATCH = 8
END = "<|endoftext|>"


def train_tokenizer(texts: list[str]) -> Any:
    """A byte-level BPE with GPT-2's pre-tokenisation, as a plain transformers tokenizer."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token=END, eos_token=END, unk_token=END, model_max_length=BLOCK
    )


def new_model(dropout: float) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=BLOCK,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=HEADS,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=0.0,  # a CPU draws random numbers slowly, and this is most of them
        bos_token_id=0,
        eos_token_id=0,
    )
    config._attn_implementation = "eager"
    return GPT2LMHeadModel(config)


def stream(tokenizer: Any, texts: list[str]) -> torch.Tensor:
    """All texts as one row of ids, each after an end-of-text token."""
    pieces = tokenizer(texts, verbose=False)["input_ids"]
    return torch.tensor([i for text in pieces for i in [tokenizer.eos_token_id, *text]])


class Batches:
    """Random windows drawn from (seed, step) alone, so that a resumed run sees the same data."""

    def __init__(self, tokenizer: Any, corpus: Path, seed: int) -> None:
        glosses = training.read_rows(corpus / "glosses.jsonl.gz")
        examples = ["\n".join(row["examples"]) for row in glosses if row["examples"]]
        texts = (training.tales("train"), training.prose(corpus), ["\n".join(examples)])
        self.streams = [stream(tokenizer, part) for part in texts]
        self.seed = seed

    def shares(self, progress: float) -> tuple[float, float, float]:
        tales = 0.15 + 0.35 * progress
        return tales, 0.88 * (1 - tales), 0.12 * (1 - tales)

    def draw(self, step: int, progress: float) -> torch.Tensor:
        """input_ids (batch, block + 1)."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        shares = torch.tensor(self.shares(progress))
        picks = torch.multinomial(shares, BATCH, replacement=True, generator=generator)
        rows = []
        for index in picks.tolist():
            ids = self.streams[index]
            start = int(torch.randint(len(ids) - BLOCK, (1,), generator=generator))
            rows.append(ids[start : start + BLOCK + 1])
        return torch.stack(rows)


@torch.no_grad()
def bits_per_character(model: Any, tokenizer: Any, texts: list[str]) -> float:
    """Bits a character over whole texts, windows of 256 that overlap by half.

    Every token is predicted once, from at least 128 tokens before it (fewer at a text's start).
    """
    bits, characters = 0.0, sum(len(text) for text in texts)
    half = BLOCK // 2
    for text in texts:
        ids = stream(tokenizer, [text])
        for start in range(0, max(1, len(ids) - half), half):
            window = ids[start : start + BLOCK].to(model.device)
            logits = model(window[None]).logits[0, :-1].float()  # (window - 1, vocabulary)
            loss = torch.nn.functional.cross_entropy(logits, window[1:], reduction="none")
            bits += loss[half - 1 if start else 0 :].sum().item() / math.log(2)
    return bits / characters


def train_step(model: Any, optimizer: Any, ids: torch.Tensor) -> torch.Tensor:
    """One update on (batch, block + 1) ids; returns the loss in nats a token."""
    ids = ids.to(model.device)
    with torch.autocast(model.device.type, dtype=torch.bfloat16):
        logits = model(ids[:, :-1], use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten())
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    return loss.detach()


def main() -> None:
    defaults = {"steps": 60_000, "minutes": 90.0, "learning_rate": 1e-3}
    parser = training.options(
        __doc__.splitlines()[0], **defaults, out=training.ASSETS / "small_gpt2"
    )
    parser.add_argument("--dropout", type=float, default=0.1)
    options = parser.parse_args()
    training.reuse_memory()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    tokenizer = train_tokenizer(training.tales("train"))
    batches = Batches(tokenizer, options.corpus, options.seed)
    model = new_model(options.dropout).to(training.device_of(options.device)).train()
    optimizer = training.adamw(model, weight_decay=0.1, betas=(0.9, 0.95))
    print("tokens of tales, prose, examples:", [f"{len(part):,}" for part in batches.streams])

    def update(step: int, progress: float) -> float:
        return train_step(model, optimizer, batches.draw(step, progress)).item()

    def finish(state: dict[str, Any]) -> None:
        whole = new_model(options.dropout).eval()
        whole.load_state_dict({name: value.cpu() for name, value in model.state_dict().items()})
        figures = {
            split: round(bits_per_character(whole, tokenizer, training.tales(split)), 4)
            for split in ("dev", "test")
        }
        training.export(whole, tokenizer, options.out)
        training.record(figures | state, options.out)

    training.fit(options, "small_gpt2", model, optimizer, update, finish)


if __name__ == "__main__":
    main()
