"""Visible checks of the exercise `finetuning`. No check depends on chance: each has an oracle."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from course.checks import finetuning_toys as toys
from course.checks.base import Draw, Suite, expect

suite = Suite("finetuning")
BLOCKS, PAIRS, PERPLEXITY, ROUGE = "group_into_blocks", "sentence_pairs", "perplexity", "rouge_n"
MODEL_HINT = (
    "Call the model as model(input_ids, attention_mask=mask) with input_ids of shape "
    "(batch, length); take getattr(output, 'logits', output)."
)
Pairs = list[tuple[str, str]]


def a_stream(draw: Draw, *lengths: int, low: int = 1) -> list[list[int]]:
    """Lists of random ids of the given lengths."""
    return [draw.integers(low, 999, length).tolist() for length in lengths]


def as_blocks(value: Any) -> list[list[int]]:
    """group_into_blocks' answer as plain lists of ints; fails the check otherwise."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    expect(
        isinstance(value, (list, tuple)),
        f"group_into_blocks must return a list of blocks, but returns a {type(value).__name__}.",
    )
    blocks = [block.tolist() if hasattr(block, "tolist") else block for block in value]
    expect(
        all(isinstance(block, (list, tuple)) for block in blocks),
        "Each block must be a list of token ids; yours holds "
        f"{str(next((b for b in blocks if not isinstance(b, (list, tuple))), None))[:40]}.",
    )
    return [list(block) for block in blocks]


def cut(stream: list[int], size: int) -> list[list[int]]:
    """Whole blocks of a stream."""
    return [stream[i * size : (i + 1) * size] for i in range(len(stream) // size)]


def as_pairs(value: Any) -> Pairs:
    """sentence_pairs' answer as a list of pairs of strings; fails the check otherwise."""
    expect(
        value is not None and not isinstance(value, (str, dict)),
        f"sentence_pairs must return a list of pairs, but it returns a {type(value).__name__}.",
    )
    pairs = list(value)
    for pair in pairs:
        expect(
            isinstance(pair, (tuple, list))
            and len(pair) == 2
            and all(isinstance(sentence, str) for sentence in pair),
            f"Each entry must be a pair (first, second) of strings, but one is {str(pair)[:60]}.",
        )
    return [(pair[0], pair[1]) for pair in pairs]


def a_text(draw: Draw, ends: str) -> list[str]:
    """Sentences that begin with a capital letter, one for each end."""
    lengths = [draw.integer(3, 6) for _ in ends]
    pairs = zip(lengths, ends, strict=True)
    return [toys.a_sentence(draw, length, end).capitalize() for length, end in pairs]


def ngrams(ids: list[int], n: int) -> Counter[tuple[int, ...]]:
    """How often each n-gram occurs."""
    return Counter(tuple(ids[i : i + n]) for i in range(len(ids) - n + 1))


def overlap(reference: list[int], prediction: list[int], n: int) -> int:
    """The number of the reference's n-grams that the prediction has, clipped."""
    other = ngrams(prediction, n)
    return sum(min(count, other[gram]) for gram, count in ngrams(reference, n).items())


def rouge(student: Any, *args: Any, **kwargs: Any) -> float:
    """rouge_n's answer as a float."""
    return toys.as_number(student(*args, **kwargs), "rouge_n")


@suite.check(BLOCKS, points=2)
def texts_are_concatenated(student: Any, draw: Draw) -> None:
    """All tokens form one row, text after text, and the blocks are cut from that row."""
    lists = a_stream(draw, 7, 2, 5, 4)
    found = as_blocks(student(lists, 6))
    flat = [token for block in found for token in block]
    alone = [block for tokens in lists for block in cut(tokens, 6)]
    expect(
        found != alone,
        "Each text is cut for itself, so the ends of all texts are lost: concatenate the lists "
        "first, then cut.",
    )
    stream = [token for tokens in lists for token in tokens]
    expect(
        flat[:6] == stream[:6],
        f"The first block is {flat[:6]}, but the first 6 tokens of all texts are {stream[:6]}.",
    )
    expect(
        set(flat) <= set(stream),
        "The blocks hold ids that are in no text: put nothing between the texts, and no padding.",
    )
    expect(
        flat[:18] == stream,
        f"The blocks read {flat[6:14]}... after the first one, but the texts go on "
        f"{stream[6:14]}...: side by side, without gap or overlap.",
    )


@suite.check(BLOCKS)
def remainder_is_dropped(student: Any, draw: Draw) -> None:
    """Every block has exactly block_size tokens; what is left over is dropped."""
    for lengths, size in (((5, 6), 4), ((9, 9, 2), 7)):
        found = as_blocks(student(a_stream(draw, *lengths), size))
        sizes = [len(block) for block in found]
        total = sum(lengths)
        expect(
            all(length == size for length in sizes),
            f"With block_size={size} the blocks have {sizes} tokens: drop the remainder of "
            f"{total % size} tokens instead of keeping a short block.",
        )
        expect(
            len(found) == total // size,
            f"{total} tokens give {len(found)} blocks of {size}, but {total // size} whole ones "
            "fit: drop what is left over, and nothing else.",
        )


@suite.check(PAIRS, points=2)
def first_two_sentences(student: Any, draw: Draw) -> None:
    """Each text gives its first two sentences as a pair, with their punctuation."""
    texts = [a_text(draw, "..."), a_text(draw, "!?."), a_text(draw, "?!!.")]
    found = as_pairs(student([" ".join(sentences) for sentences in texts]))
    wanted = [(sentences[0], sentences[1]) for sentences in texts]
    bare = [(first.rstrip(".!?"), second.rstrip(".!?")) for first, second in found]
    expect(
        len(found) == 3,
        f"Three texts of three or four sentences give {len(found)} pairs: make one pair a text, "
        "of its first two sentences.",
    )
    expect(
        found == wanted or bare != [(a.rstrip(".!?"), b.rstrip(".!?")) for a, b in wanted],
        f"The punctuation is not as in the text: {found[0]} should be {wanted[0]}.",
    )
    wrong = next((i for i in range(3) if found[i] != wanted[i]), 0)
    expect(
        found == wanted,
        f"A text that begins {' '.join(wanted[wrong])!r} gives {found[wrong]}: split it where "
        "., ! or ? is followed by white space.",
    )


@suite.check(PAIRS)
def texts_without_two_are_skipped(student: Any, draw: Draw) -> None:
    """A text with fewer than two sentences gives no pair."""
    one, two = a_text(draw, "."), a_text(draw, ".!")
    found = as_pairs(student([one[0], " ".join(two), "", one[0]]))
    expect(
        len(found) <= 1,
        f"Of four texts only one has two sentences, but there are {len(found)} pairs, such as "
        f"{found[0]}: pass over the others.",
    )
    expect(found == [(two[0], two[1])], "The text that has just two sentences gives no pair.")


@suite.check(PERPLEXITY, points=3, hint=MODEL_HINT)
def second_sentence_given_the_first(student: Any, draw: Draw) -> None:
    """It is exp of the mean of -log p over the second sentence's tokens, given the first."""
    table = toys.a_table(draw)
    pair = toys.a_pair(draw, 3, 6)
    got = toys.measure(student, table, [pair])
    target, both = table.target(pair), table.everything(pair)
    alone = table.log_p(toys.ids_of(" " + pair[1]))
    mean = -sum(target) / len(target)
    toys.judge(
        got,
        toys.exp_mean(target),
        {
            "The first sentence's tokens are scored too: they are context; count only those of "
            "the second one.": toys.exp_mean(both),
            "This is the mean of -log p: return its exp.": mean,
            "This is 2 to the power of a mean in nats: the base must be e.": 2**mean,
            "The second sentence is scored without the first: give the model both, and score "
            "the second.": toys.exp_mean(alone),
            "The first token of the second sentence is left out: the model predicts it from the "
            "last token of the first sentence.": toys.exp_mean(target[1:]),
            "The second sentence has lost its leading space: tokenise ' ' + second.": (
                toys.exp_mean(table.target(pair, ""))
            ),
            "The sum is divided by the number of all tokens: divide by those of the second "
            "sentence.": math.exp(-sum(target) / (len(both) + 1)),
            "The first sentence is scored given the second: it is the other way round.": (
                table.perplexity([(pair[1], pair[0])])
            ),
        },
        f"The perplexity is {got:.3f}, but from the model's own probabilities of the second "
        f"sentence's {len(target)} tokens it is {math.exp(mean):.3f}.",
    )


@suite.check(PERPLEXITY, points=2, hint=MODEL_HINT)
def every_token_has_the_same_weight(student: Any, draw: Draw) -> None:
    """Over several pairs, all target tokens count alike: one mean over the whole corpus."""
    table = toys.a_table(draw)
    pairs = [toys.a_pair(draw, 3, length) for length in (11, 2, 4)]
    # The student's own numbers for single pairs: so that this speaks of the mean alone.
    single = [math.log(toys.measure(student, table, [pair])) for pair in pairs]
    counts = [len(table.target(pair)) for pair in pairs]
    total = sum(s * c for s, c in zip(single, counts, strict=True))
    got, wanted = toys.measure(student, table, pairs), math.exp(total / sum(counts))
    toys.judge(
        got,
        wanted,
        {
            "This is a mean of means: each pair has the same weight, but each token should. Add "
            "up -log p over all pairs, divide by all target tokens.": math.exp(sum(single) / 3),
            "This is the mean of the pairs' perplexities: add up -log p over all pairs, divide "
            "by all target tokens, then take exp once.": sum(map(math.exp, single)) / 3,
        },
        f"Three pairs together give {got:.3f}, but with each of their tokens weighed alike it is "
        f"{wanted:.3f}.",
    )


@suite.check(ROUGE, points=2)
def share_of_the_reference(student: Any, draw: Draw) -> None:
    """It is the share of the reference's n-grams that are in the prediction: recall."""
    reference = [5, *draw.permutation(40)[:9].add(10).tolist()]
    for n in (3, 2):
        prediction = [7, 8, *reference[2:7], 9, *draw.integers(60, 99, 12).tolist()]
        hits = overlap(reference, prediction, n)
        recall, precision = hits / (11 - n), hits / (21 - n)
        got = rouge(student, reference, prediction, n=n)
        toys.judge(
            got,
            recall,
            {
                "This is precision: divide by the number of n-grams in the reference.": precision,
                "This is F1, the harmonic mean: return recall alone.": (
                    2 * recall * precision / (recall + precision)
                ),
                "This is a mean over n-grams of sizes 1 to n: count those of size n alone.": (
                    sum(overlap(reference, prediction, k) / (11 - k) for k in range(1, n + 1)) / n
                ),
            },
            f"{hits} of the reference's {11 - n} n-grams of size {n} are in the prediction, so "
            f"{recall:.3f} is due, but it returns {got:.3f}.",
        )


@suite.check(ROUGE, points=2)
def overlap_is_clipped(student: Any, draw: Draw) -> None:
    """An n-gram counts as often as in the reference, but no more often than in the prediction."""
    a, b, c, d, e = (draw.permutation(90) + 1).tolist()[:5]
    reference = [a, b, c, a, b, c, a, b, c, d, e]  # 9 trigrams: abc 3 times, cde once
    prediction = [a, b, c, d, e, c, d, e, c, d, e, a, b, c]  # abc twice, cde 3 times, bcd once
    got = rouge(student, reference, prediction)
    toys.judge(
        got,
        4 / 9,
        {
            "A trigram that stands 3 times in the reference and twice in the prediction counts "
            "3 times: clip it to the smaller count.": 5 / 9,
            "A trigram that stands 3 times in the prediction and once in the reference counts "
            "3 times: clip it to the smaller count.": 6 / 9,
            "Repeated n-grams count once, as in a set: count each as often as it stands there, "
            "up to the smaller of the two counts.": 3 / 5,
            "A repeated n-gram is matched once only: match it up to the smaller of its two "
            "counts.": 3 / 9,
        },
        f"With repeated trigrams it returns {got:.3f}, but 4 of 9 are matched, so 0.444.",
    )


@suite.check(ROUGE, hint="Without n-grams in the reference there is nothing to divide by: 0.0.")
def nothing_to_find_is_zero(student: Any, draw: Draw) -> None:
    """A reference of fewer than n tokens gives 0.0."""
    ids = draw.integers(1, 99, 6).tolist()
    for reference in ([], ids[:1], ids[:2]):
        got = rouge(student, reference, ids)
        expect(
            got == 0.0,
            f"A reference of {len(reference)} tokens has no trigram: 0.0 is due, not {got}.",
        )
