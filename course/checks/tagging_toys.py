"""Toys of exercise 8: CoNLL lines and alignments by brute force, small encoders, counted F1.

Encoders are made beside the student's code with ``live.make``; what is compared is decided here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel
from transformers.modeling_outputs import BaseModelOutputWithPoolingAndCrossAttentions

from course.checks.base import Draw, expect, suspect
from course.checks.live import beside

HERE = "course.checks.tagging_toys"
IGNORED = -100
Sentences = list[tuple[list[str], list[str]]]
WORDS = ["Ada", "met", "the", "Lisbon", "Ferry", "Company", "in", "Oslo", ",", "again", "Bo", "."]
TAGS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC"]
# How often each class (row) was taken for which (column): precision, recall, F1 and accuracy of
# every class are different numbers.
CONFUSION = ((9, 3, 0, 1), (1, 4, 2, 0), (0, 1, 5, 0), (2, 0, 0, 2))


def a_text(draw: Draw, sizes: Sequence[int] = (4, 1, 3)) -> Sentences:
    """Sentences of the given sizes, with tags drawn at random."""
    return [
        ([draw.choice(WORDS) for _ in range(size)], [draw.choice(TAGS) for _ in range(size)])
        for size in sizes
    ]


def rows_of(
    sentence: tuple[list[str], list[str]], fill: Sequence[str] = ("NN", "I-NP"), gap: str = " "
) -> list[str]:
    """The lines of one sentence: word, the columns ``fill``, tag."""
    return [gap.join([word, *fill, tag]) for word, tag in zip(*sentence, strict=True)]


def lines_of(sentences: Sentences, fill: Sequence[str] = ("NN", "I-NP"), gap: str = " ") -> list:
    """The lines of a file without -DOCSTART-: a blank line after every sentence."""
    return [line for sentence in sentences for line in (*rows_of(sentence, fill, gap), "")]


def stream(lines: list[str]) -> Iterator[str]:
    """Lines that can be read once, have no length and no index."""
    return iter(lines)


def opened(lines: list[str]) -> io.StringIO:
    """The lines as an open file."""
    return io.StringIO("".join(f"{line}\n" for line in lines))


def as_sentences(value: Any) -> Sentences:
    """read_conll's answer as a list of (words, tags); fails the check in words otherwise."""
    expect(
        isinstance(value, (list, tuple)),
        "read_conll must return a list with one pair (words, tags) a sentence, but it returns "
        "something else (a generator? a dict?).",
    )
    found = []
    for pair in value:
        good = isinstance(pair, (list, tuple)) and len(pair) == 2
        good = good and all(isinstance(part, (list, tuple)) for part in pair)
        good = good and all(isinstance(text, str) for part in pair for text in part)
        expect(
            good,
            f"Each sentence must be a pair (words, tags) of two lists of strings, but one is "
            f"{str(pair)[:70]}.",
        )
        found.append((list(pair[0]), list(pair[1])))
    return found


def read(student: Any, lines: Any) -> Sentences:
    """What read_conll makes of some lines that hold words, in one form."""
    found = as_sentences(student(lines))
    words = [word for sentence, _ in found for word in sentence]
    suspect(words, "read_conll returned no word at all, though the lines hold some.")
    suspect(all(words), "A word came back as an empty string: the word is the first column.")
    return found


def words_of(sentences: Sentences) -> list[list[str]]:
    """The words alone."""
    return [words for words, _ in sentences]


def tags_of(sentences: Sentences) -> list[list[str]]:
    """The tags alone."""
    return [tags for _, tags in sentences]


def as_labels(value: Any, length: int) -> list[int]:
    """align_labels' answer as ints; fails the check in words when it is no list of that length."""
    expect(
        isinstance(value, list),
        "align_labels must return a list, one label a token, but it returns something else.",
    )
    expect(
        all(isinstance(v, Integral) and not isinstance(v, bool) for v in value),
        f"The list must hold integers, but it holds {str(value)[:60]}.",
    )
    expect(
        len(value) == length,
        f"{length} tokens get {len(value)} labels: one label a token, special ones too.",
    )
    return [int(v) for v in value]


def align(student: Any, labels: list[int], word_ids: list[int | None], *more: Any) -> list[int]:
    """What align_labels makes of its arguments, as a list of ints."""
    return as_labels(student(list(labels), list(word_ids), *more), len(word_ids))


def aligned(labels: list[int], word_ids: list[int | None], every: bool = False) -> list[int]:
    """The alignment by brute force: a token is a first piece if no earlier one has its word."""
    wanted = []
    for place, word in enumerate(word_ids):
        first = word not in word_ids[:place]
        wanted.append(labels[word] if word is not None and (first or every) else IGNORED)
    return wanted


def a_tokenisation(draw: Draw, words: int, dropped: float = 0.0) -> list[int | None]:
    """Word numbers of a tokenised sentence: one to three pieces a word, or none if dropped."""
    ids: list[int | None] = [None]
    for word in range(words):
        if draw.uniform(0, 1) >= dropped:
            ids += [word] * draw.integer(1, 3)
    return [*ids, None, *[None] * draw.integer(0, 3)]


def config_of(
    words: int, dim: int, heads: int, dropout: float = 0.0, spread: float = 0.5
) -> BertConfig:
    """A BERT of one layer; ``spread`` is the standard deviation of its first weights."""
    return BertConfig(
        vocab_size=words,
        hidden_size=dim,
        num_hidden_layers=1,
        num_attention_heads=heads,
        intermediate_size=2 * dim,
        max_position_embeddings=48,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        initializer_range=spread,
        pad_token_id=0,
    )


def bert(seed: int, words: int = 20, dim: int = 8, **options: float) -> BertModel:
    """A small real BERT with random weights; ``options`` as in ``config_of``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BertModel(config_of(words, dim, 2, **options))


class WordByWord(BertModel):
    """An encoder whose last states are its word embeddings: each token's own, nothing else."""

    def forward(self, input_ids: Any = None, attention_mask: Any = None, **others: Any) -> Any:
        states = self.embeddings.word_embeddings(input_ids)  # (batch, length, dim)
        pooled = states[:, 0].tanh()  # (batch, dim)
        if others.get("return_dict") is False:
            return states, pooled
        layers = (torch.zeros_like(states), states) if others.get("output_hidden_states") else None
        return BaseModelOutputWithPoolingAndCrossAttentions(
            last_hidden_state=states, pooler_output=pooled, hidden_states=layers
        )


def word_by_word(table: Tensor) -> WordByWord:
    """An encoder whose state of word i is row i of the table, (words, dim)."""
    encoder = WordByWord(config_of(table.size(0), table.size(1), 1))
    with torch.no_grad():
        encoder.embeddings.word_embeddings.weight.copy_(table)
    return encoder


@beside
def train(
    classifier: nn.Module, ids: Tensor, mask: Tensor, labels: Tensor, unseen: Tensor, steps: int
) -> Tensor:
    """Train a token classifier in batches of 16, return its classes of unseen rows, in eval mode.

    ids, mask, labels: (rows, length); unseen: (other rows, length), without padding.
    """
    torch.manual_seed(0)
    classifier.train()
    optimizer = torch.optim.Adam(classifier.parameters(), lr=0.01)
    for step in range(steps):
        part = slice(16 * step % len(ids), 16 * step % len(ids) + 16)
        logits = classifier(ids[part], mask[part])  # (16, length, classes)
        loss = F.cross_entropy(logits.transpose(1, 2), labels[part], ignore_index=IGNORED)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    classifier.eval()
    with torch.no_grad():
        return classifier(unseen, torch.ones_like(unseen)).argmax(dim=-1)


def a_scoring(draw: Draw, ignored: int = 0, width: int = 6) -> tuple[Tensor, Tensor]:
    """Predictions and labels (rows, width) of four classes, counted as CONFUSION says.

    ``ignored`` positions more have the label -100 and any class predicted. Which class plays which
    part, and where, is drawn; 30 + ignored must be a multiple of ``width``.
    """
    part = draw.permutation(4).tolist()
    pairs = [
        (part[predicted], part[true])
        for true, row in enumerate(CONFUSION)
        for predicted, count in enumerate(row)
        for _ in range(count)
    ]
    pairs += [(part[i % 4], IGNORED) for i in range(ignored)]
    table = torch.tensor(pairs)[draw.permutation(len(pairs))].view(-1, width, 2)
    return table[..., 0].contiguous(), table[..., 1].contiguous()


def counted(predictions: Tensor, labels: Tensor, classes: int) -> list[dict[str, float]]:
    """For each class hits, precision, recall and F1, counted token by token."""
    tokens = zip(predictions.flatten().tolist(), labels.flatten().tolist(), strict=True)
    pairs = [(p, t) for p, t in tokens if t != IGNORED]
    found = []
    for c in range(classes):
        hits = sum(p == t == c for p, t in pairs)
        said, due = sum(p == c for p, _ in pairs), sum(t == c for _, t in pairs)
        precision, recall = hits / max(said, 1), hits / max(due, 1)
        f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
        found.append({"hits": hits, "precision": precision, "recall": recall, "f1": f1})
    return found


def f1_of(predictions: Tensor, labels: Tensor, classes: int) -> list[float]:
    """The F1 of each class, counted token by token."""
    return [row["f1"] for row in counted(predictions, labels, classes)]


def as_scores(value: Any, classes: int) -> list[float]:
    """per_class_f1's answer as floats; fails the check in words when it is none."""
    expect(
        isinstance(value, list),
        "per_class_f1 must return a list with one float a class; no mean over the classes, no "
        "tensor, no dict.",
    )
    expect(
        len(value) == classes,
        f"With num_labels={classes} the list has {len(value)} entries: one for each class, those "
        "that never occur and class 0 too.",
    )
    expect(
        all(isinstance(v, Real) and not isinstance(v, bool) for v in value),
        f"The list must hold plain floats, but it begins with {str(value[0])[:40]}.",
    )
    return [float(v) for v in value]


def score(student: Any, predictions: Tensor, labels: Tensor, classes: int) -> list[float]:
    """What per_class_f1 says, as a list of floats."""
    return as_scores(student(predictions.clone(), labels.clone(), classes), classes)


def some_score(student: Any, predictions: Tensor, labels: Tensor) -> list[float]:
    """``score`` of four classes, each hit at times; fails the check when no F1 is above 0."""
    found = score(student, predictions, labels, 4)
    expect(
        any(value > 0 for value in found),
        f"The F1s are {shown(found)}, though each class is hit at times: an F1 is then above 0.",
    )
    return found


def same(found: Sequence[float], wanted: Sequence[float], tolerance: float = 1e-3) -> bool:
    """Whether two lists of numbers agree; NaN agrees with nothing."""
    return len(found) == len(wanted) and all(
        abs(a - b) <= tolerance for a, b in zip(found, wanted, strict=True)
    )


def shown(numbers: Sequence[float]) -> str:
    """Numbers for a message."""
    return ", ".join(f"{number:.3f}" for number in numbers)
