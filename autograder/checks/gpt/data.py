"""Hidden checks of LanguageModelingDataset and collate_language_modeling."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.gpt.common import suite
from course.checks import live
from course.checks.base import Draw, expect
from course.checks.gpt.common import COLLATE, DATA, a_text, collated, ragged, window, windows
from course.checks.gpt_toys import through_a_loader


@suite.check(DATA, points=2)
def last_window_may_be_shorter(student: Any, draw: Draw) -> None:
    """The last window holds what is left, without padding."""
    for length, block_size, left in ((18, 5, 2), (12, 10, 1), (4, 9, 3)):
        text = a_text(draw, length)
        dataset = student(text.tolist(), block_size)
        expect(
            len(dataset) > (length - 2) // block_size,
            f"{length} tokens and block_size={block_size} give {len(dataset)} windows: the last, "
            "shorter one is dropped, and its tokens are never learned.",
        )
        x, y = window(dataset, (length - 2) // block_size)
        expect(
            len(x) == left,
            f"{length} tokens and block_size={block_size} leave {left} for the last window, but "
            f"it has {len(x)}: no padding here, and no empty or incomplete pair.",
        )
        expect(
            torch.equal(x, text[-left - 1 : -1]) and torch.equal(y, text[-left:]),
            f"The last window's targets are {y.tolist()}, but the text ends with "
            f"{text[-left:].tolist()}.",
        )


@suite.check(DATA, points=2)
def every_token_is_a_target_once(student: Any, draw: Draw) -> None:
    """Taken together, the windows hold every token but the first as a target, once."""
    for length, block_size in ((31, 6), (31, 7), (9, 1), (2, 4)):
        text = a_text(draw, length)
        targets = torch.cat([y for _, y in windows(student(text.tolist(), block_size))])
        missing = len(set(text[1:].tolist()) - set(targets.tolist()))
        expect(
            missing == 0,
            f"Of {length} tokens with block_size={block_size}, {missing} are never a target: the "
            "last target of a window is the first token of the next one.",
        )
        expect(
            len(targets) == length - 1,
            f"{length} tokens give {len(targets)} targets, not {length - 1}: some are learned "
            "twice.",
        )


@suite.check(DATA)
def even_division_leaves_no_empty_window(student: Any, draw: Draw) -> None:
    """When block_size divides N - 1 there is no empty window at the end."""
    for length, block_size in ((13, 4), (13, 12), (6, 1)):
        dataset = student(a_text(draw, length).tolist(), block_size)
        wanted = (length - 1) // block_size
        expect(
            len(dataset) == wanted,
            f"{length} tokens and block_size={block_size} give {len(dataset)} windows, not "
            f"{wanted}: the last token has no successor, so it starts no window.",
        )


@suite.check(DATA, hint="token_ids may be a list or a tensor: torch.as_tensor takes both.")
def lists_and_tensors_give_int64(student: Any, draw: Draw) -> None:
    """token_ids may be a list or a tensor of any integer type; x and y are int64 tensors."""
    text = a_text(draw, 14)
    for given in (text.tolist(), text, text.to(torch.int32)):
        x, y = window(student(given, 4), 1)
        expect(
            x.dtype == y.dtype == torch.int64,
            f"x is {x.dtype} and y is {y.dtype}: ids and targets are torch.int64, as embeddings "
            "and the loss want them.",
        )
        expect(
            torch.equal(x, text[4:8]) and torch.equal(y, text[5:9]),
            "Window 1 of a text given as a tensor is another one than that of a list.",
        )


@suite.check(DATA)
def windows_stay_the_same(student: Any, draw: Draw) -> None:
    """A window is the same each time, in any order, and in a DataLoader."""
    text = a_text(draw, 22)
    dataset = student(text.tolist(), 5)
    last, first = window(dataset, 4)[0], window(dataset, 0)[0]
    again = window(dataset, 4)[0]
    expect(
        torch.equal(first, text[:5]) and torch.equal(last, text[20:21]),
        "Window 4, then window 0 are not those of the text: a window depends on its index alone.",
    )
    expect(torch.equal(last, again), "Asked twice, dataset[4] gives two different windows.")
    loaded = through_a_loader(dataset)
    expect(
        torch.equal(loaded, text[1:]),
        "A DataLoader over the dataset does not give the windows in order, each once.",
    )


@suite.check(COLLATE, points=2)
def a_token_may_be_the_pad_token(student: Any, draw: Draw) -> None:
    """A real token that equals pad_id stays, and stays a target."""
    batch = ragged(draw, 4, 6, words=20)
    batch[0][0][2], batch[0][1][1], batch[1][1][5] = 0, 0, 0
    x, y = collated(student, batch, 0)
    expect(
        y[0, 1] == 0 and y[1, 5] == 0,
        "A target that equals pad_id became -100: GPT-2 pads with its end-of-text token, which it "
        "must still learn. Pad by length, not by value.",
    )
    expect(
        torch.equal(x[0, :4], batch[0][0]) and torch.equal(y[0, :4], batch[0][1]),
        "A row that holds the token pad_id is changed.",
    )
    expect(bool((y[0, 4:] == -100).all()), f"The padding of y is {y[0, 4:].tolist()}, not -100.")


@suite.check(COLLATE)
def any_pad_id_and_any_batch(student: Any, draw: Draw) -> None:
    """Batches of one, of equal lengths and of any order work, with any pad_id."""
    for lengths, pad_id in (((5,), 3), ((4, 4, 4), 50256), ((1, 7, 3, 7), 0), ((6, 2), 9)):
        batch = ragged(draw, *lengths)
        x, y = collated(student, batch, pad_id)
        for i, (own_x, own_y) in enumerate(batch):
            n = len(own_x)
            expect(
                torch.equal(x[i, :n], own_x) and torch.equal(y[i, :n], own_y),
                f"In a batch of lengths {list(lengths)}, row {i} is not window {i}: rows keep "
                "their order, x comes first, y second.",
            )
            expect(
                bool((x[i, n:] == pad_id).all() and (y[i, n:] == -100).all()),
                f"With pad_id={pad_id}, row {i} of lengths {list(lengths)} is filled up with "
                f"{x[i, n:].tolist()} and {y[i, n:].tolist()}.",
            )


@suite.check(COLLATE)
def batches_are_int64(student: Any, draw: Draw) -> None:
    """x and y are int64, and the windows stay untouched."""
    batch = ragged(draw, 3, 5)
    kept = [(x.clone(), y.clone()) for x, y in batch]
    result, args, _ = live.call_and_keep(student, [batch, 0], {})
    for name, value in zip("xy", result, strict=True):
        expect(
            value.dtype == torch.int64,
            f"{name} is {value.dtype}: token ids and targets are torch.int64.",
        )
        expect(value.any(), f"{name} holds nothing but zeros, though no window does.")
    same = len(args[0]) == 2 and all(
        torch.equal(x, other_x) and torch.equal(y, other_y)
        for (x, y), (other_x, other_y) in zip(args[0], kept, strict=True)
    )
    expect(same, "The windows given to collate are changed: they come again in the next epoch.")
