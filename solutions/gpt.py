"""A small GPT: data, causal attention, the network, generation with the model's own probabilities.

Sources: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3
(architecture); Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training",
sections 3.2 (the classification head) and 4.1 (initialisation).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from solutions.multi_head import merge_heads, split_heads


class LanguageModelingDataset(Dataset[tuple[Tensor, Tensor]]):
    """A long text cut into windows that do not overlap, each with its targets.

    Window i is (x, y): x holds the tokens i * block_size and the following, at most block_size of
    them, and y the token that follows each. The last window may be shorter. So every token but the
    first is a target exactly once: a window of length n holds n training examples.
    """

    def __init__(self, token_ids: Sequence[int] | Tensor, block_size: int) -> None:
        """token_ids: the text, (N,) integers. Raises ValueError when block_size is below 1."""
        if block_size < 1:
            raise ValueError(f"block_size must be 1 or more, but it is {block_size}")
        self.token_ids = torch.as_tensor(token_ids, dtype=torch.long)  # (N,)
        self.block_size = block_size

    def __len__(self) -> int:
        """The number of windows: ceil((N - 1) / block_size), 0 for a text without a target."""
        targets = max(0, len(self.token_ids) - 1)
        return (targets + self.block_size - 1) // self.block_size

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Window ``index``, (x, y), int64 of one length. Raises IndexError beyond the end."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"window {index} is out of range: there are {len(self)} windows")
        start = index % len(self) * self.block_size
        window = self.token_ids[start : start + self.block_size + 1]  # one more, for the targets
        return window[:-1], window[1:]


def collate_language_modeling(
    batch: Sequence[tuple[Tensor, Tensor]], pad_id: int
) -> tuple[Tensor, Tensor]:
    """Put windows into one batch: (x, y), both int64 (batch, longest).

    Shorter windows are filled up on the right: x with pad_id, y with -100, which the loss leaves
    out. A token that happens to be pad_id stays a target. Raises ValueError for an empty batch.
    """
    if not batch:
        raise ValueError("the batch is empty: collate at least one (x, y)")
    inputs, targets = zip(*batch, strict=True)
    x = nn.utils.rnn.pad_sequence(list(inputs), batch_first=True, padding_value=pad_id)
    y = nn.utils.rnn.pad_sequence(list(targets), batch_first=True, padding_value=-100)
    return x.long(), y.long()


class CausalSelfAttention(nn.Module):
    """Multi-head self-attention in which position i looks at positions 0 to i, never ahead."""

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0) -> None:
        """dropout acts in training, on the attention weights and on the output.

        Raises ValueError when num_heads does not divide embed_dim or dropout is not in [0, 1].
        """
        super().__init__()
        if num_heads < 1 or embed_dim % num_heads != 0:
            raise ValueError(
                f"{num_heads} heads cannot share {embed_dim} features evenly: choose a number of "
                f"heads that divides {embed_dim}"
            )
        self.num_heads = num_heads
        self.qkv_projection = nn.Linear(embed_dim, 3 * embed_dim)
        self.output_projection = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None, past: Any = None) -> Tensor:
        """x: (batch, length, embed_dim), floating point. Returns the same shape and dtype.

        mask: bool, True where a query may look at a key, broadcastable to (batch, heads, length,
        length); it must be causal itself. past: the layer's part of a cache, with keys and values
        of earlier tokens; those of x are added.
        """
        qkv = self.qkv_projection(x)  # (batch, length, 3 * embed_dim)
        # three times (batch, heads, length, head_dim)
        query, key, value = (split_heads(part, self.num_heads) for part in qkv.chunk(3, dim=-1))
        causal = mask is None and x.size(1) > 1
        if past is not None:
            before = past.length
            key, value = past.extend(key, value)  # (batch, heads, before + length, head_dim)
            if before and causal:  # is_causal counts from the first key
                causal, mask = False, _causal(x.size(1), before, x.device)
        dropout = self.dropout.p if self.training else 0.0
        values = F.scaled_dot_product_attention(query, key, value, mask, dropout, causal)
        return self.dropout(self.output_projection(merge_heads(values)))


class GPT(nn.Module):
    """A decoder-only transformer, built as GPT-2: what comes next, at every position at once.

    Token and position embeddings, pre-norm blocks of causal attention and a feed-forward network
    four times as wide, a last LayerNorm, and the token embedding once more as the head (tied
    weights). With num_classes the head is a linear classifier on the last content token instead.

    Sources: Radford et al. 2019, section 2.3; Press and Wolf 2017 for the tied weights.
    """

    def __init__(
        self,
        vocab_size: int,
        block_size: int,
        num_layers: int,
        num_heads: int,
        embed_dim: int,
        dropout: float = 0.0,
        num_classes: int | None = None,
    ) -> None:
        """Weights start as N(0, 0.02), biases at 0, LayerNorms at gain 1.

        block_size: the most tokens that the model reads at once. Raises ValueError when a size is
        below 1, num_heads does not divide embed_dim or dropout is not in [0, 1].
        """
        super().__init__()
        if min(vocab_size, block_size, num_layers, embed_dim) < 1:
            sizes = f"{vocab_size}, {block_size}, {num_layers} and {embed_dim}"
            raise ValueError(
                "vocab_size, block_size, num_layers and embed_dim must be 1 or more, "
                f"but they are {sizes}"
            )
        self.block_size = block_size
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            _Block(embed_dim, num_heads, dropout) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.classifier = None if num_classes is None else nn.Linear(embed_dim, num_classes)
        self.apply(_initialise)

    def new_cache(self) -> Any:
        """An empty cache for ``forward``: one a text (or batch of texts of one length)."""
        return _Cache(len(self.blocks))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        cache: Any = None,
        last_only: bool = False,
    ) -> Tensor:
        """Logits (batch, length, vocab_size) for the token that follows each position.

        input_ids: integers (batch, length). attention_mask: (batch, length), 1 or True for a token,
        0 or False for padding on either side. Padding is never looked at, and positions count
        tokens only, so a text has the same logits with padding as without. cache, from
        ``new_cache``: holds keys and values of the tokens that came before input_ids; not together
        with padding. last_only: logits of the last position alone, (batch, 1, vocab_size).
        With num_classes: logits (batch, num_classes), read at the last content token.

        Raises ValueError for more than block_size tokens (cached ones count), for no token, for an
        attention mask of another shape, and for a row to be classified without any token.
        """
        start = 0 if cache is None else cache.length
        _check_input(input_ids, attention_mask, start, self.block_size)
        length, mask = input_ids.size(1), None
        positions = torch.arange(start, start + length, device=input_ids.device)  # (length,)
        if attention_mask is not None and not attention_mask.all():  # no mask is faster than ones
            if cache is not None:
                raise ValueError("a cache cannot be used with padding: give rows of one length")
            positions = (attention_mask.long().cumsum(dim=1) - 1).clamp(min=0)  # (batch, length)
            mask = _padded_causal(attention_mask)
        x = self.dropout(self.token_embedding(input_ids) + self.position_embedding(positions))
        for i, block in enumerate(self.blocks):
            x = block(x, mask, None if cache is None else cache.layers[i])
        if self.classifier is not None:
            return self.classifier(self.norm(_last_content(x, attention_mask)))
        x = self.norm(x[:, -1:] if last_only else x)  # (batch, length or 1, embed_dim)
        return F.linear(x, self.token_embedding.weight)


def generate(
    model: nn.Module,
    input_ids: Tensor,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    do_sample: bool = False,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Continue prompts token by token: (ids, probabilities).

    input_ids: int64 (batch, length), prompts of one length. Greedy takes the most probable token;
    with do_sample it is drawn from softmax(logits / temperature), cut to the top_k most probable
    if top_k is given, with ``generator`` or torch's global one. The model sees the last block_size
    tokens (of a Hugging Face model: ``config.n_positions`` or ``max_position_embeddings``).

    Returns the prompts with their continuations, int64 (batch, length + max_new_tokens), and the
    model's own probabilities of the new tokens, float (batch, max_new_tokens): under the softmax of
    the logits, whatever temperature and top_k have done to the draw. The model may return logits or
    an output with ``.logits``; it is left in the mode in which it was found. Raises ValueError for
    an empty prompt, max_new_tokens below 0, a temperature not above 0 when sampling, and a top_k
    that is not between 1 and the size of the vocabulary.
    """
    _check_generation(input_ids, max_new_tokens, temperature, do_sample)
    cache = model.new_cache() if isinstance(model, GPT) else None
    ids, probabilities = input_ids, [torch.empty(len(input_ids), 0, device=input_ids.device)]
    with _evaluating(model), torch.no_grad():
        for _ in range(max_new_tokens):
            logits = _next_logits(model, ids, cache)  # (batch, vocab_size)
            if top_k is not None and not 1 <= top_k <= logits.size(-1):
                raise ValueError(f"top_k must be from 1 to {logits.size(-1)}, but it is {top_k}")
            chosen = logits.argmax(dim=-1, keepdim=True)  # (batch, 1)
            if do_sample:
                chosen = _draw(logits / temperature, top_k, generator)
            probabilities.append(logits.softmax(dim=-1).gather(1, chosen))
            ids = torch.cat([ids, chosen], dim=1)  # (batch, length so far)
    return ids, torch.cat(probabilities, dim=1)


def top_k_table(
    model: nn.Module, tokenizer: Any, input_ids: Tensor, k: int = 6
) -> list[list[tuple[str, float]]]:
    """For each position the k most probable next tokens: rows of (token text, probability).

    input_ids: int64 (1, length) or (length,). Row t speaks of the token that follows position t,
    the most probable first; the text is that of ``tokenizer.decode``, the probability that of the
    softmax over the whole vocabulary. The model's mode is left as found. Raises ValueError when
    input_ids is another shape, and when k is not between 1 and the size of the vocabulary.
    """
    ids = input_ids.unsqueeze(0) if input_ids.dim() == 1 else input_ids  # (1, length)
    if ids.dim() != 2 or len(ids) != 1 or ids.numel() == 0:
        raise ValueError(f"input_ids must be (1, length), but they are {tuple(input_ids.shape)}")
    with _evaluating(model), torch.no_grad():
        output = model(ids)
    logits = getattr(output, "logits", output)[0].float()  # (length, vocab_size)
    if not 1 <= k <= logits.size(-1):
        raise ValueError(f"k must be from 1 to {logits.size(-1)}, but it is {k}")
    probabilities, best = logits.softmax(dim=-1).topk(k)  # (length, k)
    return [
        [(tokenizer.decode([token]), p) for token, p in zip(*row, strict=True)]
        for row in zip(best.tolist(), probabilities.tolist(), strict=True)
    ]


class _LayerCache:
    """Keys and values of one layer, (batch, heads, room, head_dim), in use up to ``length``."""

    def __init__(self) -> None:
        self.length = 0
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def extend(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add (batch, heads, new, head_dim); returns all, (batch, heads, length, head_dim)."""
        start, self.length = self.length, self.length + key.size(2)
        self.keys, self.values = self._room(self.keys, key), self._room(self.values, value)
        self.keys[:, :, start : self.length] = key
        self.values[:, :, start : self.length] = value
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]

    def _room(self, store: Tensor | None, new: Tensor) -> Tensor:
        """The store, twice as long where it is full: so a token costs the same on average."""
        if store is not None and store.size(2) >= self.length:
            return store
        batch, heads, _, head_dim = new.shape
        larger = new.new_empty(batch, heads, max(64, 2 * self.length), head_dim)
        if store is not None:
            larger[:, :, : store.size(2)] = store
        return larger

    def reorder(self, rows: Tensor) -> None:
        """As in ``_Cache``."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[rows], self.values[rows]


class _Cache:
    """What a model keeps of the tokens that it has read: keys and values a layer."""

    def __init__(self, num_layers: int) -> None:
        self.layers = [_LayerCache() for _ in range(num_layers)]

    @property
    def length(self) -> int:
        """The number of tokens read so far."""
        return self.layers[0].length

    def reorder(self, rows: Tensor) -> None:
        """Row i becomes what row rows[i] was; rows: int64 (new batch,), for beams and the like."""
        for layer in self.layers:
            layer.reorder(rows)


class _Block(nn.Module):
    """Attention, then a feed-forward network, each on normalised input and added to its input."""

    def __init__(self, embed_dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, dropout)
        self.feedforward_norm = nn.LayerNorm(embed_dim)
        self.expand = nn.Linear(embed_dim, 4 * embed_dim)
        self.shrink = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None, past: _LayerCache | None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), mask, past)
        hidden = F.gelu(self.expand(self.feedforward_norm(x)), approximate="tanh")
        return x + self.dropout(self.shrink(hidden))  # (batch, length, embed_dim)


def _initialise(module: nn.Module) -> None:
    """Weights N(0, 0.02), biases 0; LayerNorms start at gain 1 and bias 0 by themselves."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


def _check_input(
    input_ids: Tensor, attention_mask: Tensor | None, start: int, block_size: int
) -> None:
    """Raise ValueError for what GPT.forward cannot read."""
    if input_ids.dim() != 2 or input_ids.numel() == 0:
        expected = "(batch, length) with at least one token"
        raise ValueError(f"input_ids must be {expected}, but are {tuple(input_ids.shape)}")
    if start + input_ids.size(1) > block_size:
        raise ValueError(
            f"{start + input_ids.size(1)} tokens are more than the model's context of {block_size}:"
            f" give it the last {block_size} of them"
        )
    if attention_mask is not None and attention_mask.shape != input_ids.shape:
        raise ValueError(
            f"attention_mask must have the shape of input_ids, {tuple(input_ids.shape)}, "
            f"but it has {tuple(attention_mask.shape)}"
        )


def _causal(length: int, before: int, device: torch.device) -> Tensor:
    """(length, before + length), bool: new position i sees all that came before, and 0 to i."""
    full = torch.ones(length, before + length, dtype=torch.bool, device=device)
    return full.tril(diagonal=before)


def _padded_causal(attention_mask: Tensor) -> Tensor:
    """(batch, 1, length, length), bool: causal, and no token looks at padding.

    Padding looks at itself: a row without any key would become NaN, and NaN spreads in training.
    """
    causal = _causal(attention_mask.size(1), 0, attention_mask.device)  # (length, length)
    seen = causal & attention_mask.bool()[:, None, None, :]  # (batch, 1, length, length)
    return seen | torch.eye(len(causal), dtype=torch.bool, device=causal.device)


def _last_content(x: Tensor, attention_mask: Tensor | None) -> Tensor:
    """The vectors (batch, embed_dim) at the last position of each row that is not padding."""
    if attention_mask is None:
        return x[:, -1]
    if not attention_mask.any(dim=1).all():
        raise ValueError("a row of attention_mask is all padding: there is nothing to classify")
    places = torch.arange(x.size(1), device=x.device)  # (length,)
    last = (places * attention_mask.bool()).argmax(dim=1)  # (batch,)
    return x[torch.arange(len(x), device=x.device), last]


def _check_generation(
    input_ids: Tensor, max_new_tokens: int, temperature: float, do_sample: bool
) -> None:
    """Raise ValueError for what generate cannot use."""
    if input_ids.dim() != 2 or input_ids.numel() == 0:
        raise ValueError(
            "input_ids must be prompts (batch, length) of at least one token, but they are "
            f"{tuple(input_ids.shape)}; begin with an end-of-text token where there is no text"
        )
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens must be 0 or more, but it is {max_new_tokens}")
    if do_sample and not temperature > 0:
        raise ValueError(
            f"temperature must be above 0, but it is {temperature}; use do_sample=False for the "
            "most probable tokens"
        )


def _next_logits(model: nn.Module, ids: Tensor, cache: _Cache | None) -> Tensor:
    """Logits (batch, vocab_size), float32, of the token that follows ids (batch, length)."""
    limit = _context(model)
    if cache is not None and (limit is None or ids.size(1) <= limit):
        output = model(ids[:, cache.length :], cache=cache, last_only=True)
    else:  # once the window moves, each token gets a new position: nothing can be kept
        output = model(ids if limit is None else ids[:, -limit:])
    return getattr(output, "logits", output)[:, -1].float()


def _context(model: nn.Module) -> int | None:
    """The most tokens that a model can read at once; None where it does not say."""
    config = getattr(model, "config", None)
    names = ("n_positions", "max_position_embeddings")
    said = [getattr(model, "block_size", None), *(getattr(config, name, None) for name in names)]
    return next((limit for limit in said if isinstance(limit, int)), None)


def _draw(logits: Tensor, top_k: int | None, generator: torch.Generator | None) -> Tensor:
    """One token a row, (batch, 1), drawn from the softmax of the top_k (or all) logits."""
    if top_k is None:
        return torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)
    best, ids = logits.topk(top_k)  # (batch, top_k)
    return ids.gather(1, torch.multinomial(best.softmax(dim=-1), 1, generator=generator))


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within the block; afterwards every module is in the mode it had before."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
