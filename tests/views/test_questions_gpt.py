"""The questions of lesson 9: the untouched view, near misses, and the answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from course import models
from course.views import AttentionExplorer
from course.views.logit_lens import LogitLens
from course.views.probability_strip import ProbabilityStrip
from course.views.questions import check_play, questions


def said(capsys: Any, name: str, view: Any) -> str:
    check_play("gpt", name, view)
    return " ".join(capsys.readouterr().out.split())  # as one line


def test_the_lesson_has_three() -> None:
    assert set(questions("gpt")) == {"the first word", "least sure", "first best"}


def test_the_head_that_looks_at_the_first_word(capsys: Any) -> None:
    weights = torch.full((3, 2, 5, 5), 0.1)
    weights[:, :, 0, 0] = 1.0
    weights[1, 1, 1:, 0] = 0.6
    weights[2, 0, 1:, 0] = 0.5
    view = AttentionExplorer(weights, list("abcde"))
    assert "layer 0, head 0 the later words give the first one ≈ 0.10" in said(
        capsys, "the first word", view
    )
    for layer, head, way in ((2, 0, "another layer"), (1, 0, "another head of this layer")):
        view.layer, view.head = layer, head
        assert way in said(capsys, "the first word", view)
    view.head = 1
    assert said(capsys, "the first word", view).startswith("Yes. No other head gives the first")


def test_the_least_sure_token(capsys: Any) -> None:
    view = ProbabilityStrip(list("abcd"), [None, 0.5, 0.03, 0.04], position=0)
    assert "was given" in said(capsys, "least sure", view)
    view.position = 1
    assert '"b" had probability ≈ 0.500; of other' in said(capsys, "least sure", view)
    view.position = 3
    assert '"d" had probability ≈ 0.040' in said(capsys, "least sure", view)
    view.position = 2
    assert said(capsys, "least sure", view).startswith("Yes. Even the best guess was improbable")


def test_the_layer_that_first_has_the_answer(capsys: Any) -> None:
    hidden = torch.zeros(4, 3, 5)
    for layer, best in enumerate((0, 2, 3, 3)):
        hidden[layer, :, best] = 1
    view = LogitLens(hidden, lambda h: h, [0, 1, 2], list("abcde"), layer=2)
    hint = said(capsys, "first best", view)
    assert 'The focus is on "a"' in hint and 'the "b" below "c"' in hint
    view.position = 1
    view.layer = 1
    assert 'In layer 1 the best guess is "c", which is not' in said(capsys, "first best", view)
    view.layer = 3
    assert "but also in a layer below" in said(capsys, "first best", view)
    view.layer = 2
    assert said(capsys, "first best", view).startswith("Yes. Here the answer is the best guess")


def test_the_lessons_own_views_have_one_clear_answer_each(capsys: Any) -> None:
    """The differences are large enough that another machine has the same answer."""
    torch.set_num_threads(1)
    model, tokenizer = models.load("small_gpt2", quiet=True)
    heads = AttentionExplorer.from_model(
        model, tokenizer, "The king gave the poor girl a golden ring", layer=1
    )
    assert said(capsys, "the first word", heads).startswith("Not yet.")
    on_first = np.sort(heads.data.weights[:, :, 1:, 0].mean(-1).ravel())
    assert on_first[-1] - on_first[-2] > 0.03
    start = tokenizer("The old woman went into the forest", return_tensors="pt").input_ids
    story = model.generate(start, max_new_tokens=40, do_sample=False, pad_token_id=0)
    circle = ProbabilityStrip.from_model(model, tokenizer, story, prompt=start.size(1))
    assert said(capsys, "least sure", circle).startswith("Not yet.")
    sure = np.sort(circle.data.probabilities[start.size(1) :])
    assert sure[1] - sure[0] > 5e-4 and set(circle.data.ranks) == {0, 1}


def test_smollm_says_rome_in_its_last_layer_alone(capsys: Any) -> None:
    torch.set_num_threads(1)
    place = 12  # the last "is"
    text = "The capital of France is Paris, and the capital of Italy is Rome"
    lens = LogitLens.from_model(*models.load("causal_lm", quiet=True), text, position=place)
    assert said(capsys, "first best", lens).startswith("Not yet.")
    lens.layer = 30
    assert said(capsys, "first best", lens).startswith("Yes.")
    ranks = lens.data.ranks[:, place]
    assert ranks[30] == 1 and 2 <= ranks[29] <= 20 and (ranks[1:23] > 1000).all()
    assert lens.data.first_best(9) < lens.data.first_best(1), "of: the second time far earlier"
