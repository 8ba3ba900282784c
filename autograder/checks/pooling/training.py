"""Hidden checks of train_probe: which examples were seen, when it stops, what is kept."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.pooling.suite import suite
from course.checks import live
from course.checks import pooling_toys as toys
from course.checks.base import Draw, expect
from course.checks.pooling.common import TRAIN
from course.checks.pooling.rehearsal import GROWING, expect_weights, rehearse


@suite.check(TRAIN)
def batches_of_32(student: Any, draw: Draw) -> None:
    """Batches hold 32 examples, the last one of an epoch what is left"""
    for size in (70, 64, 20):
        run = rehearse(student, draw, GROWING, epochs=2, size=size)
        due = [32] * (size // 32) + [size % 32] * (size % 32 > 0)
        for epoch in (1, 2):
            found = sorted((len(batch) for batch in run.batches(epoch)), reverse=True)
            expect(
                found == due,
                f"With {size} examples the batches of epoch {epoch} hold {found[:6]}, but {due} "
                "are due.",
            )


@suite.check(TRAIN, points=2)
def every_example_in_every_epoch(student: Any, draw: Draw) -> None:
    """Each epoch sees every training example exactly once, and none of dev"""
    run = rehearse(student, draw, GROWING, epochs=3)
    mixed = any(bool(note["dev"].any()) for note in run.learning)
    expect(not mixed, "Dev examples are trained on: then dev accuracy says nothing.")
    for epoch in (1, 2, 3):
        seen = run.order(epoch)
        missing = 70 - len(set(seen))
        expect(
            missing == 0 and len(seen) == 70,
            f"In epoch {epoch}, {missing} of 70 training examples are never seen and "
            f"{len(seen) - len(set(seen))} come again: draw a permutation, and keep the last, "
            "smaller batch.",
        )


@suite.check(TRAIN, points=2)
def shuffled_anew_in_every_epoch(student: Any, draw: Draw) -> None:
    """The examples come in a random order, another one in every epoch"""
    run = rehearse(student, draw, GROWING, epochs=3)
    orders = [run.order(epoch) for epoch in (1, 2, 3)]
    expect(
        list(range(70)) not in orders,
        "The examples come in the order in which they are given: shuffle them.",
    )
    expect(
        orders[0] != orders[1] and orders[1] != orders[2],
        "All epochs have the same order: shuffle in every epoch, not once before.",
    )
    # Three shuffles share the 32 of their first batches by chance at C(70, 32)^-1 < 1e-19.
    firsts = {tuple(sorted(run.batches(epoch)[0])) for epoch in (1, 2, 3)}
    expect(
        len(firsts) > 1,
        "The same examples share a batch in every epoch: shuffle the examples, not the batches or "
        "what is within them.",
    )
    # A random order has about half of its neighbours ascending, 69 pairs with standard deviation
    # sqrt(71 / 12) = 2.4; 60 is ten of these away.
    rising = sum(b > a for a, b in zip(orders[0], orders[0][1:], strict=False))
    expect(rising < 60, "The order is hardly random: shuffle all examples.")


@suite.check(TRAIN)
def chance_is_the_callers(student: Any, draw: Draw) -> None:
    """Nothing is seeded inside: each call shuffles differently"""
    # Each call comes after another seed of torch's global generator; equal by chance at 1/70!
    orders = [rehearse(student, draw, GROWING, epochs=1).order(1) for _ in range(3)]
    expect(
        orders[0] != orders[1] or orders[1] != orders[2],
        "Every call shuffles in the same way, whatever the seed: seed nothing inside, or five "
        "seeds are hardly five.",
    )


@suite.check(TRAIN, points=2)
def first_best_is_kept(student: Any, draw: Draw) -> None:
    """On a tie the first best weights are kept, and a tie is no progress"""
    script = [20, 40, 40, 40, 40, 40, 40, 41]
    run = rehearse(student, draw, script, epochs=8)
    expect(
        len(run.history) == 5,
        f"Epochs 3 to 5 only equal the best, epoch 2, so training should end after 5; it made "
        f"{len(run.history)}: better means strictly better.",
    )
    expect(
        not torch.equal(run.final, run.weights_after(5))
        and not torch.equal(run.final, run.weights_after(3)),
        "On a tie the later weights are kept: keep the first best ones.",
    )
    expect_weights(run, 2, "Epoch 2 was the first of the best")


@suite.check(TRAIN, points=2)
def patience_is_obeyed(student: Any, draw: Draw) -> None:
    """patience is the number of epochs without progress, counted anew after each new best"""
    script = [20, 19, 25, 24, 23, 30, 29, 28, 27, 26, 25, *range(40, 47)]
    for patience, due in ((1, 2), (2, 5), (4, 10)):
        run = rehearse(student, draw, script, epochs=14, patience=patience)
        expect(
            len(run.history) == due,
            f"With patience={patience} training should end after {due} epochs, but it made "
            f"{len(run.history)}: count epochs since the best one, begin anew at each new best, "
            "and compare with the best, not with the epoch before.",
        )


@suite.check(TRAIN)
def progress_from_low_to_lower(student: Any, draw: Draw) -> None:
    """Small steps upwards after a dip are no progress: only the best counts"""
    script = [40, 20, 22, 24, 26, 28, 30, 32]
    run = rehearse(student, draw, script, epochs=8)
    expect(
        len(run.history) == 4,
        f"Epoch 1 was the best, and the next ones stay below it; training should end after 4 "
        f"epochs, but it made {len(run.history)}.",
    )


@suite.check(TRAIN, points=2)
def restored_without_early_stop(student: Any, draw: Draw) -> None:
    """The best weights come back when the epochs run out, too, wherever the best one was"""
    for script, best in (
        ([20, 30, 25, 28], 2),
        ([30, 20, 25], 1),
        ([20, 25, 30], 3),
        ([20, 30, 25, 28, 35, 10], 5),
    ):
        run = rehearse(student, draw, script, epochs=len(script))
        expect(
            len(run.history) == len(script),
            f"{len(script)} epochs were asked for and patience was not used up, but there are "
            f"{len(run.history)} entries.",
        )
        expect_weights(run, best, f"Epoch {best} of {len(script)} was the best")


@suite.check(TRAIN)
def dev_is_all_of_dev(student: Any, draw: Draw) -> None:
    """Dev accuracy counts every dev example once, in sets of any size"""
    for size in (1, 33, 64, 100):
        script = [size // 2, size // 2 + 1]
        run = rehearse(student, draw, script, epochs=2, dev_size=size)
        for entry, right in zip(run.history, script, strict=False):
            accuracy, due = entry["accuracy"], right / size
            expect(
                abs(accuracy - due) < 1e-5,
                f"With {right} of {size} dev examples right the accuracy is {accuracy:.3f}, not "
                f"{due:.3f}: divide the number of right ones by that of all; a mean over batches "
                "is another number.",
            )


@suite.check(TRAIN)
def loss_is_a_mean_over_examples(student: Any, draw: Draw) -> None:
    """loss is the mean training loss an example, the smaller last batch counted by its size"""
    run = rehearse(student, draw, GROWING, epochs=3, size=33, learning_rate=0.5)
    labels = run.train[1]
    for epoch, entry in enumerate(run.history, start=1):
        notes = [note for note in run.learning if note["epoch"] == epoch]
        losses = [
            torch.nn.functional.cross_entropy(
                note["logits"].double(), labels[note["numbers"]], reduction="none"
            )
            for note in notes
        ]
        mean = float(torch.cat(losses).mean())
        by_batch = float(torch.stack([loss.mean() for loss in losses]).mean())
        # Measured again after the epoch, over all examples, is right too.
        after = run.train[0][:, 2:] @ run.weights_after(epoch).t()
        again = float(torch.nn.functional.cross_entropy(after.double(), labels))
        found = entry["loss"]
        near = min(abs(found - mean), abs(found - again)) < 1e-3
        expect(
            near or abs(found - by_batch) > 1e-3,
            f"loss is the mean of the batches' means, {by_batch:.4f}; an example in a batch of one "
            f"then counts as much as 32 others. The mean over examples is {mean:.4f}.",
        )
        expect(
            near or abs(found - mean * 33) > 0.03,
            f"loss is the sum over the examples, {found:.2f}: divide by their number.",
        )
        expect(near, f"loss is {found:.4f}, but the mean an example is {mean:.4f}.")


@suite.check(TRAIN)
def every_parameter_learns(student: Any, draw: Draw) -> None:
    """All of the probe's parameters are trained, from the weights that it came with"""
    x, y = draw.normal(64, 5), draw.integers(0, 2, 64)
    probe = live.make(student, f"{toys.HERE}:small_probe", 5, 3, hidden=24)
    start = live.parameters(probe)
    student(probe, (x, y), (x, y), 2, 0.0)
    expect(
        all(torch.equal(start[name], now) for name, now in live.parameters(probe).items()),
        "With a learning rate of 0 the probe has other weights afterwards: train the one that is "
        "given from the weights that it has, and start nothing anew.",
    )
    student(probe, (x, y), (x, y), 2, 0.05)
    still = [n for n, now in live.parameters(probe).items() if torch.equal(start[n], now)]
    expect(
        not still,
        f"{still[:1]} of a probe with two layers never changes: give all of probe.parameters() to "
        "the optimizer.",
    )


@suite.check(TRAIN)
def mode_is_left_as_found(student: Any, draw: Draw) -> None:
    """A probe that came in training mode is in training mode afterwards"""
    x, y = draw.normal(40, 5), draw.integers(0, 2, 40)
    probe = live.make(student, f"{toys.HERE}:small_probe", 5, 3)
    live.set_mode(probe, True)
    student(probe, (x, y), (x, y), 2, 0.01)
    expect(
        live.is_training(probe),
        "The probe came in training mode and is left in eval mode: restore the mode at the end.",
    )


@suite.check(TRAIN)
def modes_are_set(student: Any, draw: Draw) -> None:
    """The probe is in training mode while it learns and in eval mode while it is measured"""
    run = rehearse(student, draw, GROWING, epochs=2)
    expect(run.learning, "The probe is never trained: each epoch goes through all batches.")
    expect(run.dev_notes, "The probe is never measured on dev: measure it after every epoch.")
    expect(
        all(note["training"] for note in run.learning),
        "The probe is in eval mode while it learns, in some epoch: call probe.train() before each "
        "epoch, so that a classifier's dropout works.",
    )
    expect(
        not any(note["training"] for note in run.dev_notes),
        "The probe is in training mode while it is measured: call probe.eval() first.",
    )


@suite.check(TRAIN)
def examples_stay_as_they_are(student: Any, draw: Draw) -> None:
    """Features and labels are not changed in place, and gradients stay on"""
    run = rehearse(student, draw, GROWING, epochs=2)
    for before, after in ((run.train, run.kept[0]), (run.dev, run.kept[1])):
        expect(
            all(torch.equal(a, b) for a, b in zip(before, after, strict=True)),
            "The features or labels that were given are changed: shuffle and scale copies, other "
            "probes use the same tensors.",
        )
    probe = live.make(student, f"{toys.HERE}:small_probe", 6, 3)
    args = [probe, run.train, run.dev, 1, 0.01]
    expect(
        toys.gradients_stay_on(student, args),
        "After the call no gradient is recorded any more: measure within `with torch.no_grad():`.",
    )


@suite.check(TRAIN, points=2)
def accuracy_on_held_out_labels(student: Any, draw: Draw) -> None:
    """On labels that nobody has seen, accuracy is as high as the noise allows, and not higher"""
    # A quarter of the labels is drawn anew among the two other classes, so 0.75 is the best that
    # anyone can do. Six standard deviations of 1,000 held-out labels are 0.082 (2e-9).
    centres = 5 * torch.eye(3)[:, [0, 1, 2, 0, 1]]  # (classes, features)
    true = draw.integers(0, 2, 1500)
    x = centres[true] + 0.5 * draw.normal(1500, 5)
    noisy = draw.boolean(1500, probability=0.25)
    y = torch.where(noisy, (true + draw.integers(1, 2, 1500)) % 3, true)
    live.seed(student, draw.integer(0, 2**31))
    probe = live.make(student, f"{toys.HERE}:small_probe", 5, 3)
    student(probe, (x[:350], y[:350]), (x[350:500], y[350:500]), 12, 0.02)
    right = float((probe(x[500:]).argmax(-1) == y[500:]).float().mean())
    expect(
        right > 0.62,
        f"On held-out examples {100 * right:.0f} % are right; about 75 % can be had, and guessing "
        "gives 33 %.",
    )
    expect(
        right < 0.84,
        f"On held-out examples {100 * right:.0f} % are right, though a quarter of the labels is "
        "noise: that cannot come from learning.",
    )
