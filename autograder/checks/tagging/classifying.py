"""Hidden checks of TokenClassifier, on small encoders."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.tagging.common import MODEL, suite
from course.checks import live
from course.checks.base import Draw, close, expect, largest_difference
from course.checks.tagging.common import a_classifier, logits_of, of_the_encoder, on_table

HINT = "It is called as classifier(input_ids, attention_mask); the encoder is a BERT."


def distinct_ids(draw: Draw, batch: int, length: int, words: int) -> Tensor:
    """Ids (batch, length) of which no two are equal, from 1 to words - 1."""
    return (draw.permutation(words - 1)[: batch * length] + 1).view(batch, length)


def moved(one: Tensor, two: Tensor) -> Tensor:
    """Where the logits of two runs differ, bool (batch, length)."""
    return (one - two).abs().amax(dim=-1) > 1e-4


def steady(classifier: Any, ids: Tensor, mask: Tensor, labels: int) -> Tensor:
    """The logits in eval mode; fails the check when a second call gives others."""
    first, second = (logits_of(classifier, ids, mask, labels) for _ in range(2))
    expect(
        torch.equal(first, second),
        "In eval mode two equal calls give different logits, so nothing else can be judged: is "
        "dropout still on, or is a layer made anew in forward?",
    )
    return first


@suite.check(MODEL, points=3, hint=HINT)
def the_attention_mask_is_handed_on(student: Any, draw: Draw) -> None:
    """The encoder gets the attention mask, so that padding has no influence."""
    classifier, _ = a_classifier(student, draw, 5)
    ids = draw.integers(1, 19, 2, 9)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    other = ids.clone()
    other[1, 5:] = (ids[1, 5:] + draw.integer(1, 17) - 1) % 19 + 1
    padded = steady(classifier, ids, mask, 5)
    changed = logits_of(classifier, other, mask, 5)
    expect(
        not moved(padded, changed)[1, :5].any(),
        "The logits of tokens change with what stands in the padding: hand attention_mask on to "
        "the encoder.",
    )
    alone = logits_of(classifier, ids[1:, :5], torch.ones(1, 5, dtype=torch.int64), 5)
    expect(
        close(padded[1:, :5], alone, 1e-3),
        f"A sentence gets other logits in a padded batch than alone (by "
        f"{largest_difference(padded[1:, :5], alone):.2f}): hand attention_mask on as it is.",
    )


@suite.check(MODEL, hint=HINT)
def padding_may_be_left(student: Any, draw: Draw) -> None:
    """The mask that is given decides, with padding on the left or in the middle too."""
    classifier, _ = a_classifier(student, draw, 4)
    ids = draw.integers(1, 19, 2, 8)
    mask = torch.ones_like(ids)
    mask[0, :3] = 0
    mask[1, 4] = 0
    other = ids.clone()
    other[mask == 0] = (ids[mask == 0] + draw.integer(1, 17) - 1) % 19 + 1
    one, two = (steady(classifier, x, mask, 4) for x in (ids, other))
    expect(
        not moved(one, two)[mask == 1].any(),
        "With padding on the left the logits of tokens change with what stands in the padding: "
        "hand the given mask on; do not make one from the ids.",
    )


@suite.check(MODEL, points=2, hint=HINT)
def each_token_has_its_own_logits(student: Any, draw: Draw) -> None:
    """The logits at a position come from the last hidden state of that very token."""
    table = draw.normal(40, 12)
    classifier = on_table(student, draw, table, 6)
    ids = distinct_ids(draw, 3, 7, 40)
    mask = torch.ones_like(ids)
    before = steady(classifier, ids, mask, 6)
    expect(
        moved(before[:, 1:], before[:, :-1]).any(),
        "All tokens of a sentence get the same logits: classify each hidden state, not [CLS], the "
        "pooler's output or a mean.",
    )
    row, place = draw.integer(0, 2), draw.integer(1, 5)
    unused = next(i for i in range(1, 40) if i not in ids)
    ids[row, place] = unused
    where = moved(logits_of(classifier, ids, mask, 6), before)
    expect(
        where[row, place],
        f"The logits of token {place} do not depend on its own hidden state (those of tokens "
        f"{where[row].nonzero().flatten().tolist()} do): do not shift or mix positions.",
    )
    rows = where.any(dim=1).nonzero().flatten().tolist()
    expect(
        rows == [row],
        f"One token of sentence {row} was changed, and logits of the sentences {rows} moved: do "
        "not mix batch and length.",
    )


@suite.check(MODEL, hint=HINT)
def context_matters(student: Any, draw: Draw) -> None:
    """The classifier looks at the encoder's last layer, where a token knows its neighbours."""
    classifier, _ = a_classifier(student, draw, 5)
    ids = draw.integers(1, 19, 1, 6)
    mask, other = torch.ones_like(ids), ids.clone()
    other[0, 2] = ids[0, 2] % 18 + 1
    where = moved(logits_of(classifier, ids, mask, 5), logits_of(classifier, other, mask, 5))
    expect(
        where[0, 4],
        "The logits of a token do not change with its neighbours: use the encoder's last hidden "
        "state, not its embeddings.",
    )


@suite.check(MODEL, points=2, hint=HINT)
def logits_are_raw(student: Any, draw: Draw) -> None:
    """It returns logits: no softmax, no log-softmax, no sigmoid, no ReLU."""
    classifier = on_table(student, draw, 30 * draw.normal(40, 12), 9)
    ids = distinct_ids(draw, 3, 7, 40)
    logits = logits_of(classifier, ids, torch.ones_like(ids), 9)
    for axis, name in ((-1, "the classes"), (1, "the tokens")):
        ones = torch.ones_like(logits.sum(axis))
        expect(
            not close(logits.sum(axis), ones, 1e-3),
            f"The numbers add up to 1 over {name}: that is a softmax. Return logits, the loss "
            "applies the softmax itself.",
        )
    expect(
        not close(logits.logsumexp(-1), torch.zeros(3, 7), 1e-3),
        "These are log-probabilities: return logits, the loss applies the softmax itself.",
    )
    expect(
        (logits < 0).any(),
        "No logit is negative: return the linear layer's output as it is, without sigmoid or ReLU.",
    )


@suite.check(MODEL, hint="Take the width from encoder.config.hidden_size.")
def any_size_of_encoder_and_labels(student: Any, draw: Draw) -> None:
    """The encoder's width is asked for, and the number of labels is the one given."""
    for dim, labels in ((6, 2), (20, 11)):
        classifier, _ = a_classifier(student, draw, labels, dim=dim)
        ids = draw.integers(1, 19, 2, 4)
        logits_of(classifier, ids, torch.ones_like(ids), labels)


@suite.check(MODEL, hint="Do not squeeze: the logits are (batch, length, num_labels) always.")
def one_sentence_one_token_one_label(student: Any, draw: Draw) -> None:
    """A batch of one, a sentence of one token and a single label keep their axes."""
    for batch, length, labels in ((1, 5, 3), (2, 1, 3), (1, 1, 1)):
        classifier, _ = a_classifier(student, draw, labels)
        ids = draw.integers(1, 19, batch, length)
        logits_of(classifier, ids, torch.ones_like(ids), labels)


@suite.check(MODEL, hint=HINT)
def evaluation_is_deterministic(student: Any, draw: Draw) -> None:
    """In eval mode two calls agree: all dropout is off, all weights stay."""
    classifier, _ = a_classifier(student, draw, 5, dropout=0.5)
    ids = draw.integers(1, 19, 3, 7)
    one, two = (logits_of(classifier, ids, torch.ones_like(ids), 5) for _ in range(2))
    expect(
        torch.equal(one, two),
        "In eval mode two calls give different logits: use nn.Dropout (it follows the mode), keep "
        "the encoder as an attribute, and make the layer once, in __init__.",
    )


@suite.check(MODEL, hint=HINT)
def the_mode_is_left_alone(student: Any, draw: Draw) -> None:
    """A call leaves the classifier in the mode in which it is."""
    for training in (True, False):
        classifier, _ = a_classifier(student, draw, 4, training=training)
        ids = draw.integers(1, 19, 2, 5)
        classifier(ids, torch.ones_like(ids))
        expect(
            live.is_training(classifier) is training,
            "A call switches between training and eval mode: leave that to the training loop.",
        )


@suite.check(MODEL, points=2, hint=HINT)
def the_whole_encoder_can_be_trained(student: Any, draw: Draw) -> None:
    """Every parameter of the encoder is a trainable parameter of the classifier."""
    classifier, encoder = a_classifier(student, draw, 5)
    ids = draw.integers(1, 19, 2, 5)
    classifier(ids, torch.ones_like(ids))
    own = live.parameters(encoder).items()
    inside = {name: value for name, value in own if "pooler" not in name}  # nobody needs it here
    every = live.parameters(classifier)
    trainable = live.parameters(classifier, trainable_only=True)

    def count(found: dict[str, Tensor]) -> int:
        return sum(any(torch.equal(one, p) for p in found.values()) for one in inside.values())

    expect(
        count(every) == len(inside),
        f"{len(inside) - count(every)} of the encoder's {len(inside)} parameters are none of the "
        "classifier's: an optimizer will not see them. Keep the encoder itself as an attribute.",
    )
    expect(
        count(trainable) == len(inside),
        f"{len(inside) - count(trainable)} of the encoder's {len(inside)} parameters are frozen: "
        "leave requires_grad as it is.",
    )
    expect(
        set(trainable) - of_the_encoder(trainable, encoder),
        "Above the encoder there is nothing to train: add a linear layer as an attribute.",
    )


@suite.check(MODEL, hint=HINT)
def gradients_reach_every_layer(student: Any, draw: Draw) -> None:
    """Gradients reach the encoder's embeddings, attention and feed-forward."""
    classifier, _ = a_classifier(student, draw, 5, training=True)
    ids = draw.integers(1, 19, 3, 7)
    args = [ids, torch.ones_like(ids)]
    classifier(*args)
    found = live.parameter_gradients(classifier, args, cotangents=[draw.normal(3, 7, 5)])
    for part in ("word_embeddings.weight", "query.weight", "intermediate.dense.weight"):
        reached = [g for name, g in found.items() if name.endswith(part)]
        expect(
            any(g is not None and bool(g.abs().sum() > 0) for g in reached),
            f"No gradient reaches the encoder's {part}: let the whole encoder learn, without "
            "no_grad, detach and frozen layers.",
        )
