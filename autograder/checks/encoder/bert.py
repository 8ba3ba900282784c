"""Hidden checks of Bert."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.encoder.suite import suite
from course.checks import live
from course.checks.base import Draw, as_tensor, close, expect, largest_difference
from course.checks.encoder.bert import require_invisible_padding
from course.checks.encoder.suite import BERT
from course.checks.encoder_toys import (
    ACTIVATIONS,
    DIM,
    HEADS,
    SIZES,
    WIDE,
    WORDS,
    Activation,
    arrange_bert,
    build,
    direction,
    enliven,
    feedforward_of,
    is_gain,
    is_matrix,
    is_wide,
    norm,
    positions,
    working,
)


@suite.check(BERT, points=2, hint="The mask must go to every block, in the loop.")
def padding_reaches_every_block(student: Any, draw: Draw) -> None:
    """With three blocks too, padding has no influence on real tokens."""
    model = build(student, draw, WORDS, 3, *SIZES)
    require_invisible_padding(
        model, draw, "Hand the padding mask to every block, not only to one of them."
    )


@suite.check(BERT)
def either_side_may_be_padded(student: Any, draw: Draw) -> None:
    """Padding on the left is invisible too; on the right the logits are those of the sentence."""
    model = working(student, draw, WORDS, 2, *SIZES)
    enliven(model, draw)
    ids = draw.integers(0, WORDS - 1, 2, 6)
    left = torch.tensor([[0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]])
    other = torch.where(left == 1, ids, (ids + 1) % WORDS)
    real = left == 1
    leak = largest_difference(model(ids, left)[real], model(other, left)[real])
    expect(leak < 1e-5, f"Padding on the left moves real tokens' logits by {leak:.3f}.")
    padded = model(ids[:1], torch.tensor([[1, 1, 1, 1, 0, 0]]))[:, :4]
    wrong = largest_difference(padded, model(ids[:1, :4]))
    expect(
        wrong < 1e-4,
        f"A sentence padded on the right gets other logits than alone, by {wrong:.3f}.",
    )


@suite.check(BERT, hint="A mask may hold integers, booleans or floats: make it boolean first.")
def attention_mask_of_any_dtype(student: Any, draw: Draw) -> None:
    """attention_mask may be int64, int32, bool or float; None is a mask of ones."""
    model = working(student, draw, WORDS, 2, *SIZES)
    enliven(model, draw)
    ids = draw.integers(0, WORDS - 1, 2, 5)
    ids[:, 1], ids[:, 2] = 0, WORDS  # no id is padding by itself
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    right = model(ids, mask)
    for dtype in (torch.bool, torch.int32, torch.float32):
        wrong = largest_difference(model(ids, mask.to(dtype)), right)
        expect(wrong < 1e-5, f"A mask of {dtype} gives other logits than one of torch.int64.")
    wrong = largest_difference(model(ids), model(ids, torch.ones_like(ids)))
    expect(
        wrong < 1e-4,
        f"Without attention_mask the logits differ by {wrong:.3f} from those with a mask of ones: "
        "None means that every token is real. No id is padding by itself.",
    )


@suite.check(BERT, points=2)
def embedding_plus_positions(student: Any, draw: Draw) -> None:
    """The blocks get embedding + sinusoidal positions; the head is one linear layer."""
    model = build(student, draw, WORDS, 1, *SIZES)
    ends = arrange_bert(model, draw)
    ids = draw.integers(0, WORDS, 2, 6)
    logits = as_tensor(model(ids), "The logits", (2, 6, WORDS))
    token, rows = ends.embedding[ids].double(), positions(6, DIM)
    known = {
        "Positions are not added to the embeddings.": norm(token),
        "Embeddings are scaled by √embed_dim before positions are added: just add.": norm(
            token * DIM**0.5 + rows
        ),
        "Positions are added twice.": norm(token + 2 * rows),
        "The tokens do not go through the blocks, or the blocks are pre-norm: Bert's are post-norm,"
        " the default.": token + rows,
    }
    for words, wrong in known.items():
        expect(not close(logits, ends.logits(wrong), 1e-2), words)
    table = [v for v in live.parameters(model).values() if is_matrix(v) and len(v.squeeze()) > 99]
    expect(not table, "Positions are a parameter: Bert's are sinusoidal, not learned.")
    far = largest_difference(logits, ends.logits(norm(token + rows)))
    expect(
        far < 3e-2,
        f"With silent blocks the logits must be head(LayerNorm(embedding + positions)); they are "
        f"off by {far:.2f}. Between these parts there is nothing else.",
    )


@suite.check(BERT, points=2)
def blocks_follow_each_other(student: Any, draw: Draw) -> None:
    """Each block takes the output of the block before, and each is used once."""
    model = build(student, draw, WORDS, 3, *SIZES)
    u = direction(draw)
    ends = arrange_bert(model, draw, feedforward=u)
    ids = draw.integers(0, WORDS, 2, 6)
    logits = as_tensor(model(ids), "The logits", (2, 6, WORDS))
    start = ends.embedding[ids] + positions(6, DIM).float()
    # Whatever the activation: EncoderBlock's own checks look at that.
    forms = [ends.logits(through(3, start, u, f)) for f in ACTIVATIONS.values()]
    wrong = min(largest_difference(logits, form) for form in forms)
    if wrong < 0.1:
        return
    for count in (0, 1, 2, 4, 6):
        expect(
            not close(logits, ends.logits(through(count, start, u, ACTIVATIONS["GELU"])), 2e-2),
            f"With num_layers=3 the tokens go through {count} blocks: x = block(x, mask), once for "
            "each of the three.",
        )
    expect(
        False,
        f"After three blocks of known weights the logits are off by {wrong:.2f}: feed each block "
        "with the output of the one before, then the head, with nothing between.",
    )


def through(count: int, x: Tensor, u: Tensor, activation: Activation) -> Tensor:
    """x after so many post-norm blocks with silent attention, arranged with u."""
    for _ in range(count):
        h = norm(x)
        x = norm(h + feedforward_of(h, u, activation))
    return x


@suite.check(BERT)
def gradients_reach_everything(student: Any, draw: Draw) -> None:
    """Every parameter of the model gets a gradient."""
    model = build(student, draw, WORDS, 2, *SIZES)
    enliven(model, draw)
    ids = draw.permutation(WORDS + 1).view(2, 7)
    found = live.parameter_gradients(model, [ids], {}, [draw.normal(2, 7, WORDS)])
    idle = [name for name, gradient in found.items() if gradient is None]
    expect(
        bool(found) and not idle,
        f"No gradient reaches {', '.join(idle[:4]) or 'any parameter'}: it is declared and never "
        "used.",
    )


@suite.check(BERT)
def every_word_learns(student: Any, draw: Draw) -> None:
    """Each row of the embedding gets a gradient, that of id 0 and of the mask token too."""
    model = working(student, draw, WORDS, 1, *SIZES)
    enliven(model, draw)
    ids = draw.permutation(WORDS + 1).view(2, 7)
    found = live.parameter_gradients(model, [ids], {}, [draw.normal(2, 7, WORDS)])
    for gradient in found.values():
        if gradient is None or tuple(gradient.shape) != (WORDS + 1, DIM):
            continue
        idle = (gradient.abs().amax(dim=1) == 0).nonzero().flatten().tolist()
        expect(
            not idle,
            f"The embedding of id {idle} gets no gradient: every id is a word or the mask token, "
            "none is padding (no padding_idx).",
        )


@suite.check(BERT)
def no_further_norms(student: Any, draw: Draw) -> None:
    """There is no LayerNorm besides those of the blocks."""
    counts = []
    for layers in (1, 2):
        values = live.parameters(build(student, draw, WORDS, layers, *SIZES))
        expect(values, "The model has no parameters.")
        counts.append(sum(is_gain(value) for value in values.values()))
    extra = counts[0] - (counts[1] - counts[0])
    expect(
        extra <= 0 or counts[0] == counts[1],  # shared blocks are for another check
        f"The model has {extra} LayerNorm outside its blocks: there is nothing between embedding, "
        "positions, blocks and head.",
    )


@suite.check(BERT, hint="The embedding needs exactly one row more than there are words.")
def one_row_for_the_mask_token(student: Any, draw: Draw) -> None:
    """The embedding has vocab_size + 1 rows: the mask token is an id, further ids are errors."""
    model = working(student, draw, WORDS, 1, *SIZES)
    ids = torch.full((1, 3), WORDS)
    as_tensor(model(ids), "The logits of three mask tokens", (1, 3, WORDS))
    try:
        model(ids + 1)
    except NotImplementedError:
        raise
    except Exception:
        return
    expect(
        False,
        f"Id {WORDS + 1} is accepted with vocab_size={WORDS}: the embedding has more than "
        "vocab_size + 1 rows, or ids are changed.",
    )


@suite.check(BERT)
def sizes_reach_the_blocks(student: Any, draw: Draw) -> None:
    """num_heads and feedforward_dim reach the blocks."""
    values = live.parameters(working(student, draw, WORDS, 2, *SIZES))
    expect(
        sum(is_wide(value) for value in values.values()) >= 2,
        f"No block's feed-forward has feedforward_dim={WIDE}: hand it on to EncoderBlock.",
    )
    named: dict[str, Any] = {
        "vocab_size": WORDS,
        "num_layers": 1,
        "embed_dim": DIM,
        "feedforward_dim": WIDE,
    }
    as_tensor(working(student, draw, num_heads=HEADS, **named)(torch.zeros(1, 2).long()), "Logits")
    try:
        student(num_heads=3, **named)(torch.zeros(1, 2, dtype=torch.long))
    except NotImplementedError:
        raise
    except Exception:
        return
    expect(False, "3 heads of 8 features raise no error: hand num_heads on to EncoderBlock.")


@suite.check(BERT)
def sentences_stand_alone(student: Any, draw: Draw) -> None:
    """A sentence's logits do not depend on its batch, and every token sees both sides."""
    model = build(student, draw, WORDS, 2, *SIZES)
    enliven(model, draw)
    ids = draw.integers(0, WORDS, 5, 5)
    kept = ids.clone()
    (logits, args, _) = live.call_and_keep(model, [ids.clone()], {})
    expect(bool((args[0] == kept).all()), "input_ids are changed by the call.")
    wrong = largest_difference(model(ids[2:3]), logits[2:3])
    expect(wrong < 1e-4, f"Alone a sentence gets other logits than in a batch, by {wrong:.3f}.")
    for changed, looked in ((4, 0), (0, 4)):
        other = ids.clone()
        other[:, changed] = (other[:, changed] + 1) % WORDS
        seen = largest_difference(model(other)[:, looked], logits[:, looked])
        expect(
            seen > 1e-5,
            f"Token {changed} has no influence on token {looked}: an encoder looks to both sides.",
        )


@suite.check(BERT, hint="Keep PositionalEncoding's default max_length of 5000.")
def long_texts_fit(student: Any, draw: Draw) -> None:
    """A text of 600 tokens goes through, with positions that go on."""
    model = build(student, draw, WORDS, 1, *SIZES)
    ends = arrange_bert(model, draw)
    ids = draw.integers(0, WORDS, 1, 600)
    logits = as_tensor(model(ids), "The logits", (1, 600, WORDS))
    right = ends.logits(norm(ends.embedding[ids].double() + positions(600, DIM)))
    far = largest_difference(logits[:, 500:], right[:, 500:]) - largest_difference(
        logits[:, :99], right[:, :99]
    )
    expect(far < 0.1, f"Beyond position 500 the logits are off by {far:.2f} more than before.")
