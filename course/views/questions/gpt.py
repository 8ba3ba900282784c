"""Lesson 9: what trained causal attention does, where writing was unsure, where answers arise."""

from __future__ import annotations

from typing import Any

import numpy as np

from course.views.questions import question


@question("the first word")
def the_first_word(view: Any) -> str:
    """No other head gives the first word so much of its weight, though a first word seldom says so
    much. A softmax must put its weight somewhere: what a head does not need, it leaves at a place
    that every query can see, and under a causal mask only the first is one."""
    weights = view.data.weights  # (layers, heads, length, length)
    on_first = weights[:, :, 1:, 0].mean(axis=-1)  # the first query has no choice
    most = np.unravel_index(on_first.argmax(), on_first.shape)
    if (view.layer, view.head) == most:
        return ""
    found = on_first[view.layer, view.head]
    way = "another head of this layer" if view.layer == most[0] else "a head of another layer"
    return (
        f"In layer {view.layer}, head {view.head} the later words give the first one "
        f"≈ {found:.2f} of their weight on average; {way} gives more. Look for a bright first "
        "column among the thumbnails: a click on one, the brackets or the Page keys take you there."
    )


@question("least sure")
def least_sure(view: Any) -> str:
    """Even the best guess was improbable here, and the next ones hardly less so: by a hair another
    word would have stood here, and the story would have gone another way. Greedy writing never
    comes back to such a place. What was nearly a draw counts as settled from then on."""
    chances = view.data.probabilities
    if np.isnan(chances[view.position]):
        return "The focused token was given. Look among those that the model wrote."
    if chances[view.position] == np.nanmin(chances):
        return ""
    return (
        f'"{view.tokens[view.position]}" had probability ≈ {chances[view.position]:.3f}; of other '
        "tokens the model was less sure. Raise the threshold a little, and ] jumps from one dark "
        "token to the next."
    )


@question("first best")
def first_best(view: Any) -> str:
    """Here the answer is the best guess for the first time. Now let the cells show the rank of the
    true token and climb the column once more: the word rises through many layers before it wins."""
    last = max(i for i, token in enumerate(view.true_tokens) if token)
    if view.position != last:
        return (
            f'The focus is on "{view.tokens[view.position]}". The question is about the last place '
            f'that a word follows: the "{view.tokens[last]}" below "{view.true_tokens[last]}".'
        )
    guesses = view.data.best[:, last, 0]
    first = view.data.first_best(last)
    if view.layer == first:
        return ""
    if guesses[view.layer] == guesses[-1]:
        return "The final answer is the best guess here, but also in a layer below: go down."
    return (
        f'In layer {view.layer} the best guess is "{view.data.words[int(guesses[view.layer])]}", '
        "which is not what the model answers in the end. The key ] goes up to where it changes."
    )
