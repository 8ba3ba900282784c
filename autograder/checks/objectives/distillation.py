"""Hidden checks of ``distillation_loss``.

Most compare the student's function with itself, so that a check fails for its own mistake alone.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder.checks.objectives.base import suite
from course.checks.base import Draw, close, expect, suspect
from course.checks.live import call_and_keep, gradients


def oracle(
    student: Tensor, teacher: Tensor, labels: Tensor, temperature: float = 2.0, alpha: float = 0.5
) -> float:
    """From the formula, row by row and class by class, in float64."""
    soft = hard = 0.0
    for s, t, label in zip(student.double(), teacher.double(), labels.tolist(), strict=True):
        log_p = t / temperature - (t / temperature).logsumexp(0)
        log_q = s / temperature - (s / temperature).logsumexp(0)
        soft += float((log_p.exp() * (log_p - log_q)).sum())
        hard += float(s.logsumexp(0) - s[label])
    return (alpha * temperature**2 * soft + (1 - alpha) * hard) / len(labels)


def value(loss: Any) -> float:
    """The loss as a float; fails the check in words when it is not one finite number."""
    expect(
        not isinstance(loss, Tensor) or loss.numel() == 1,
        f"The loss must be one number, but it has shape {tuple(getattr(loss, 'shape', ()))}: sum "
        "over the classes, average over the batch.",
    )
    expect(isinstance(loss, (Tensor, float)), f"The loss is a {type(loss).__name__}, not a tensor.")
    expect(
        float(loss) == float(loss),
        "The loss is NaN: F.kl_div takes log-probabilities of the student and probabilities of the "
        "teacher (log-probabilities with log_target=True).",
    )
    return float(loss)


def call(student: Any, *args: Any, **kwargs: Any) -> float:
    """The student's loss as a float."""
    return value(student(*args, **kwargs))


def some_loss(loss: float, where: str) -> None:
    """Fail when a loss is 0 (or less) that must not be: a constant agrees with itself anywhere."""
    suspect(
        loss > 1e-4,
        f"The loss is {loss:.4f} {where}: there it must be above 0. Compute it from the logits.",
    )


def problem(draw: Draw, batch: int, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Student logits, teacher logits and labels."""
    logits = 1.5 * draw.normal(2, batch, classes)
    return logits[0], logits[1], draw.integers(0, classes - 1, batch)


def mirrored(gap: float, rows: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (gap, 0) and (0, gap): both directions of KL are equal here."""
    teacher = torch.tensor([[gap, 0.0]] * rows)
    return teacher.flip(1), teacher, torch.zeros(rows, dtype=torch.long)


def near(a: float, b: float, tolerance: float = 2e-4) -> bool:
    """Whether two losses agree to within rounding."""
    return abs(a - b) <= tolerance * max(1.0, abs(b))


@suite.check("distillation_loss")
def the_hard_part_is_plain_cross_entropy(student: Any, draw: Draw) -> None:
    """The hard part compares with the labels at temperature 1, averaged over the batch."""
    s, t, labels = problem(draw, 6, 4)
    found, right = (
        call(student, s, t, labels, temperature=3.0, alpha=0.0),
        F.cross_entropy(s, labels),
    )
    named = {
        "it is divided by the temperature": F.cross_entropy(s / 3, labels),
        "it is multiplied by temperature²": 9 * right,
        "it is summed over the batch": 6 * right,
        "cross_entropy takes logits, not probabilities": F.cross_entropy(s.softmax(1), labels),
        "it compares with the teacher's best class": F.cross_entropy(s, t.argmax(1)),
        "alpha weighs the hard part": torch.tensor(oracle(s, t, labels, 3.0, 1.0)),
    }
    for words, wrong in named.items():
        if near(found, float(wrong)) and not near(found, float(right)):
            expect(False, f"With alpha=0 the loss is {found:.4f}: {words}.")
    expect(
        near(found, float(right)),
        f"With alpha=0 the loss must be the cross-entropy {float(right):.4f}, not {found:.4f}.",
    )


@suite.check("distillation_loss")
def a_perfect_student_pays_nothing(student: Any, draw: Draw) -> None:
    """With alpha=1 a student with the teacher's logits has loss 0."""
    s, t, labels = problem(draw, 5, 4)
    some_loss(
        call(student, s, t, labels, temperature=2.5, alpha=1.0),
        "where student and teacher disagree",
    )
    found = call(student, t.clone(), t, labels, temperature=2.5, alpha=1.0)
    p = F.softmax(t / 2.5, dim=-1)
    entropy = float(-(p * p.log()).sum(-1).mean())
    if near(found, entropy) or near(found, 6.25 * entropy):
        expect(False, f"The loss is {found:.4f}, the teacher's entropy: use KL, not cross-entropy.")
    if near(found, float(F.cross_entropy(t, labels))):
        expect(False, "With alpha=1 the labels still count: weigh them with 1 − alpha.")
    expect(
        abs(found) < 1e-4,
        f"Student and teacher agree, so KL is 0, but the loss is {found:.4f}: divide both by the "
        "temperature, take both softmaxes over the classes.",
    )


@suite.check("distillation_loss", points=2)
def the_teacher_weighs_the_divergence(student: Any, draw: Draw) -> None:
    """The soft part is KL(teacher ‖ student), not the other way round."""
    # The ratio of two losses does not depend on how they are scaled or reduced.
    labels = torch.tensor([0])
    teacher = torch.tensor([[4.0, 0.0, 0.0, 0.0]])
    a, b = torch.zeros(1, 4), torch.tensor([[8.0, 0.0, 0.0, 0.0]])
    first, second = (call(student, x, teacher, labels, temperature=1.0, alpha=1.0) for x in (a, b))
    right = oracle(a, teacher, labels, 1.0, 1.0) / oracle(b, teacher, labels, 1.0, 1.0)
    back = oracle(teacher, a, labels, 1.0, 1.0) / oracle(teacher, b, labels, 1.0, 1.0)
    expect(second != 0 and first == first, f"The soft losses are {first:.4f} and {second:.4f}.")
    if near(first / second, back, 0.01):
        expect(
            False,
            "The divergence is reversed: you compute KL(student ‖ teacher). Weigh by the "
            "teacher's probabilities (F.kl_div takes the student's log-probabilities first).",
        )
    expect(
        near(first / second, right, 0.01),
        f"A uniform student must cost {right:.2f} times as much as an overconfident one, yours "
        f"{first / second:.2f} times: the soft part is KL(teacher ‖ student).",
    )


@suite.check("distillation_loss", points=2)
def temperature_squared_multiplies_the_soft_part(student: Any, draw: Draw) -> None:
    """The soft part is multiplied by temperature², at any temperature."""
    for temperature in (4.0, 0.5):
        # KL of the mirrored logits (g, 0), (0, g) at T is (g/T) · tanh(g/2T).
        s, t, labels = mirrored(1.2)
        plain = call(student, s, t, labels, temperature=1.0, alpha=1.0)
        found = call(student, s, t, labels, temperature=temperature, alpha=1.0)
        base, gap = oracle(s, t, labels, 1.0, 1.0), oracle(s, t, labels, temperature, 1.0)
        ratio, right = found / (plain or 1.0), gap / base
        for factor, words in (
            (temperature**-2, "the factor temperature² is missing"),
            (temperature**-1, "it is multiplied by temperature once, not squared"),
            (temperature**-4, "it is divided by temperature² instead of multiplied"),
        ):
            if near(ratio, right * factor, 1e-3):
                expect(False, f"At temperature {temperature:g} the soft part is too small or too "
                       f"large: {words}.")  # fmt: skip
        expect(
            not near(ratio, 1.0, 1e-4),
            f"The soft part is the same at temperature 1 and {temperature:g}: use `temperature`.",
        )
        expect(
            near(ratio, right, 2e-3),
            f"From temperature 1 to {temperature:g} the soft part must change by a factor of "
            f"{right:.3f}, yours changes by {ratio:.3f}: divide both logits, multiply by "
            "temperature².",
        )


@suite.check("distillation_loss", points=2)
def summed_over_classes_averaged_over_the_batch(student: Any, draw: Draw) -> None:
    """The soft part is summed over the classes and averaged over the batch."""
    s, t, labels = mirrored(1.0)
    one = call(student, s, t, labels, temperature=1.0, alpha=1.0)
    s, t, labels = mirrored(1.0, rows=5)
    five = call(student, s, t, labels, temperature=1.0, alpha=1.0)
    expect(not near(five, 5 * one), "Five equal rows cost five times as much: average the batch.")
    expect(near(five, one), f"One row costs {one:.4f}, five equal rows {five:.4f}: use the mean.")
    # Classes that nobody believes in add nothing to a sum, but they dilute a mean.
    unlikely = torch.full((5, 6), -40.0)
    wide = [torch.cat([x, unlikely], dim=1) for x in (s, t)]
    more = call(student, *wide, labels, temperature=1.0, alpha=1.0)
    words = (
        f"Six impossible classes change the soft part from {five:.4f} to {more:.4f}: it must be "
        "summed over the classes (reduction='batchmean'), not averaged."
    )
    expect(near(more, five, 1e-3), words)
    right = oracle(s, t, labels, 1.0, 1.0)
    expect(
        not near(five, right / 2, 1e-3),
        f"The soft part is {five:.4f}, half of {right:.4f}: sum over the 2 classes, "
        "reduction='batchmean'.",
    )


@suite.check("distillation_loss")
def rows_do_not_mix(student: Any, draw: Draw) -> None:
    """Each row is a distribution of its own: softmax runs over the classes."""
    s, t, labels = problem(draw, 4, 3)
    whole = call(student, s, t, labels, temperature=2.0, alpha=1.0)
    rows = [
        call(student, s[i : i + 1], t[i : i + 1], labels[i : i + 1], temperature=2.0, alpha=1.0)
        for i in range(4)
    ]
    some_loss(whole, "where student and teacher disagree")
    mean, total = sum(rows) / 4, sum(rows)
    expect(
        near(whole, mean) or near(whole, total),
        f"The loss of a batch of four is {whole:.4f}, the mean of its rows {mean:.4f}: take the "
        "softmax over the classes (dim=-1), not over the batch.",
    )


@suite.check("distillation_loss")
def alpha_mixes_the_two_parts(student: Any, draw: Draw) -> None:
    """The loss is alpha times the soft part plus (1 − alpha) times the hard part."""
    s, t, labels = problem(draw, 4, 5)
    hard, soft, mixed = (
        call(student, s, t, labels, temperature=2.0, alpha=a) for a in (0.0, 1.0, 0.25)
    )
    expect(
        near(mixed, 0.25 * soft + 0.75 * hard),
        f"alpha=0 gives {hard:.4f}, alpha=1 gives {soft:.4f}, but alpha=0.25 gives {mixed:.4f} "
        f"instead of {0.25 * soft + 0.75 * hard:.4f}.",
    )
    expect(
        not near(soft, hard), "alpha changes nothing: it must weigh the soft against the hard part."
    )


@suite.check("distillation_loss", points=2)
def the_loss_agrees_with_the_formula(student: Any, draw: Draw) -> None:
    """The loss agrees with the formula for random logits, temperatures and alphas."""
    for batch, classes in ((1, 2), (3, 3), (2, 7), (8, 5)):
        s, t, labels = problem(draw, batch, classes)
        temperature, alpha = draw.uniform(0.7, 5.0), draw.uniform(0.1, 0.9)
        found = call(student, s, t, labels, temperature=temperature, alpha=alpha)
        right = oracle(s, t, labels, temperature, alpha)
        expect(
            near(found, right),
            f"Batch {batch}, {classes} classes, temperature {temperature:.2f}, alpha {alpha:.2f}: "
            f"the formula gives {right:.4f}, your function {found:.4f}.",
        )


@suite.check("distillation_loss")
def the_defaults_are_two_and_a_half(student: Any, draw: Draw) -> None:
    """Without them temperature is 2 and alpha 0.5."""
    s, t, labels = problem(draw, 3, 4)
    found = call(student, s, t, labels)
    some_loss(found, "without temperature and alpha")
    expect(
        near(found, call(student, s, t, labels, temperature=2.0, alpha=0.5)),
        "The defaults differ from temperature=2.0, alpha=0.5.",
    )


@suite.check("distillation_loss")
def confident_students_stay_finite(student: Any, draw: Draw) -> None:
    """Logits that lie hundreds apart give a finite loss."""
    s = torch.tensor([[400.0, 0.0, -400.0], [-300.0, 0.0, 300.0]])
    t = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]])
    labels = torch.tensor([2, 1])
    for alpha in (1.0, 0.0):
        found = call(student, s, t, labels, temperature=1.0, alpha=alpha)
        right = oracle(s, t, labels, 1.0, alpha)
        some_loss(found, f"where {right:.0f} is due")
        expect(
            abs(found) < 1e9,
            f"With student logits of ±400 the loss is {found}, it should be {right:.0f}: the "
            "log of a softmax underflows, use log_softmax.",
        )


@suite.check("distillation_loss", points=2)
def the_student_learns_from_both_parts(student: Any, draw: Draw) -> None:
    """The gradient at the student's logits is the slope of the loss, for both parts."""
    s, t, labels = (x.double() if x.is_floating_point() else x for x in problem(draw, 2, 3))
    for part, alpha in (("soft", 1.0), ("hard", 0.0)):
        options = {"temperature": 2.0, "alpha": alpha}
        found = gradients(student, [s, t, labels], options)[0]
        expect(
            found is not None and float(found.abs().max()) > 1e-8,
            f"No gradient of the {part} part reaches the student's logits: return a tensor, "
            "without item(), detach() or no_grad() on the student's side.",
        )
        slope = torch.zeros_like(s)
        for i in range(2):
            for j in range(3):
                step = torch.zeros_like(s)
                step[i, j] = 1e-2
                up, down = (call(student, s + k * step, t, labels, **options) for k in (1, -1))
                slope[i, j] = (up - down) / 2e-2
        # The third derivative is below T²: the error of the difference below 1e-4.
        expect(
            close(found, slope, 2e-3),
            f"The gradient of the {part} part is not the slope of the loss: compute it all from "
            "`student_logits` with tensor operations.",
        )


@suite.check("distillation_loss")
def logits_are_not_changed(student: Any, draw: Draw) -> None:
    """Logits and labels are the same after the call."""
    args = list(problem(draw, 3, 4))
    _, after, _ = call_and_keep(student, [x.clone() for x in args], {})
    for name, now, before in zip(("student", "teacher"), after[:2], args[:2], strict=True):
        expect(
            torch.equal(now, before),
            f"The {name} logits changed in the call: write x / temperature, not x /= temperature.",
        )
