"""Train a GPT-2 of 4 layers x 256 with its own BPE of 4,096 pieces on Andersen's tales.

    python scripts/train_small_gpt2.py --minutes 90

Other public-domain novels and WordNet's example sentences are mixed in; the tales' share grows
while the learning rate falls. Run it again to resume. The figure is bits a character on held-out
tales, the only one that models with different tokenizers share.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
import training
from tqdm import tqdm

VOCABULARY, LAYERS, WIDTH, HEADS, BLOCK = 4096, 4, 256, 4, 256
BATCH = 8
END = "<|endoftext|>"


def train_tokenizer(texts: list[str]):
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


def new_model(dropout: float):
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


def stream(tokenizer, texts: list[str]) -> torch.Tensor:
    """All texts as one row of ids, each after an end-of-text token."""
    pieces = tokenizer(texts, verbose=False)["input_ids"]
    return torch.tensor([i for text in pieces for i in [tokenizer.eos_token_id, *text]])


class Batches:
    """Random windows drawn from (seed, step) alone, so that a resumed run sees the same data."""

    def __init__(self, tokenizer, corpus: Path, seed: int):
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
def bits_per_character(model, tokenizer, texts: list[str]) -> float:
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


def train_step(model, optimizer, ids: torch.Tensor) -> torch.Tensor:
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
    parser = training.options(__doc__.splitlines()[0], **defaults, out=training.ASSETS / "small_gpt2")
    parser.add_argument("--dropout", type=float, default=0.1)
    options = parser.parse_args()
    training.reuse_memory()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    tokenizer = train_tokenizer(training.tales("train"))
    batches = Batches(tokenizer, options.corpus, options.seed)
    model = new_model(options.dropout).to(training.device_of(options.device)).train()
    decayed = [weight for weight in model.parameters() if weight.dim() > 1]
    rest = [weight for weight in model.parameters() if weight.dim() < 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95), fused=True)
    run(options, tokenizer, batches, model, optimizer)


def run(options, tokenizer, batches, model, optimizer) -> None:
    """Train until the schedule ends; checkpoint and export every ten minutes."""
    checkpoint = options.work / "small_gpt2.pt"
    step, spent = 0, 0.0
    if checkpoint.exists() and not options.fresh:
        state = torch.load(checkpoint, map_location=model.device)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    schedule = training.Schedule(options.steps, options.minutes, options.learning_rate, spent=spent)
    saved, average = schedule.elapsed(), None
    print("tokens of tales, prose, examples:", [f"{len(part):,}" for part in batches.streams])
    bar = tqdm(total=1.0, initial=schedule.progress(step), bar_format="{l_bar}{bar}{postfix}")
    while (progress := schedule.progress(step)) < 1.0:
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        loss = train_step(model, optimizer, batches.draw(step, progress)).item()
        step += 1
        average = loss if average is None else 0.99 * average + 0.01 * loss
        bar.update(progress - bar.n)
        if step % 20 == 0:
            bar.set_postfix_str(f"step {step} loss {average:.3f} {schedule.elapsed():.0f} s")
        if schedule.elapsed() - saved > 600:
            saved = schedule.elapsed()
            save(options, tokenizer, model, optimizer, step, schedule)
    save(options, tokenizer, model, optimizer, step, schedule)


def save(options, tokenizer, model, optimizer, step: int, schedule) -> None:
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    checkpoint = options.work / "small_gpt2.pt"
    training.save_atomically(state | {"spent": schedule.elapsed()}, checkpoint)
    whole = new_model(0.1).eval()
    whole.load_state_dict({name: value.cpu() for name, value in model.state_dict().items()})
    figures: dict[str, float] = {
        split: round(bits_per_character(whole, tokenizer, training.tales(split)), 4)
        for split in ("dev", "test")
    }
    figures |= {"step": step, "minutes": round(schedule.elapsed() / 60, 1)}
    print("\n" + json.dumps(figures), flush=True)
    training.export(whole, tokenizer, options.out)
    (options.out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
