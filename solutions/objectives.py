"""Pretraining objectives of BERT's relatives, each as one small function.

BERT's sentence pairs, XLNet's attention mask, DistilBERT's loss, T5's span corruption, and the
shift with which every decoder is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor


def next_sentence_pairs(
    documents: Sequence[Sequence[str]], generator: torch.Generator
) -> list[tuple[str, str, bool]]:
    """Sentence pairs for next-sentence prediction, about half of them true.

    Every sentence that has a successor gives one pair. A fair coin decides whether its partner is
    that successor (True) or any sentence of another document (False). All draws come from
    ``generator``. Source: Devlin et al. 2019, section 3.1, task 2.

    Args:
        documents: at least two documents, each a list of at least one sentence.
        generator: the source of all randomness; it advances.

    Returns:
        A list of (first, second, is_next), in the order of the documents.

    Raises:
        ValueError: fewer than two documents, or a document without a sentence.
    """
    _check_documents(documents)
    sentences = [sentence for document in documents for sentence in document]
    pairs = []
    start = 0  # of the current document among all sentences
    for document in documents:
        strangers = len(sentences) - len(document)
        for first, following in pairwise(document):
            if torch.rand((), generator=generator) < 0.5:
                pairs.append((first, following, True))
                continue
            index = int(torch.randint(strangers, (), generator=generator))
            # Jump over the document itself, so that no false pair can be a true one.
            index += len(document) if index >= start else 0
            pairs.append((first, sentences[index], False))
        start += len(document)
    return pairs


def _check_documents(documents: Sequence[Sequence[str]]) -> None:
    if len(documents) < 2:
        raise ValueError(
            f"{len(documents)} document(s): a false pair needs a sentence of another document, "
            "so pass at least 2"
        )
    for number, document in enumerate(documents):
        if len(document) == 0:
            raise ValueError(f"document {number} has 0 sentences: leave it out, or give it some")


def permutation_mask(order: Tensor | Sequence[int]) -> Tensor:
    """The attention mask of a factorisation order: who may look at whom.

    Position i may look at position j when j is i itself or comes before i in ``order``. This is
    the mask of XLNet's content stream; its query stream is the same without the diagonal.
    Source: Yang et al. 2019, section 2.3.

    Args:
        order: (length,) integers, the positions in the order in which they are predicted.

    Returns:
        (length, length) bool, True where a query (row) may look at a key (column).

    Raises:
        ValueError: ``order`` is not a permutation of 0 … length−1.
    """
    order = torch.as_tensor(order)
    length = order.numel()
    if order.dim() != 1 or length == 0 or order.sort().values.tolist() != list(range(length)):
        raise ValueError(
            f"order {order.tolist()} is not a permutation: list each of the positions "
            f"0 … length−1 exactly once"
        )
    rank = order.argsort()  # rank[i]: the turn at which position i is predicted
    return rank.unsqueeze(1) >= rank.unsqueeze(0)  # (length, 1) >= (1, length)


def distillation_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    temperature: float = 2.0,
    alpha: float = 0.5,
) -> Tensor:
    """Knowledge distillation: alpha · T² · KL(teacher ‖ student) + (1 − alpha) · cross-entropy.

    The soft part compares both distributions at ``temperature`` T, summed over the classes and
    averaged over the batch; the hard part is cross-entropy with the labels at temperature 1.
    No gradient reaches the teacher. Source: Hinton, Vinyals, Dean 2015, section 2.

    Args:
        student_logits: (batch, classes) float.
        teacher_logits: (batch, classes) float.
        labels: (batch,) int64.
        temperature: above 0; higher is softer.
        alpha: weight of the soft part, 0 to 1.

    Returns:
        A scalar tensor.

    Raises:
        ValueError: logits of different shapes, temperature ≤ 0, or alpha outside 0–1.
    """
    if student_logits.shape != teacher_logits.shape:
        raise ValueError(
            f"student logits {tuple(student_logits.shape)} and teacher logits "
            f"{tuple(teacher_logits.shape)} differ: both must be (batch, classes)"
        )
    if not temperature > 0:
        raise ValueError(f"temperature {temperature} must be above 0; 1 leaves the logits alone")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha {alpha} must lie between 0 (labels alone) and 1 (teacher alone)")
    student = F.log_softmax(student_logits / temperature, dim=-1)
    teacher = F.log_softmax(teacher_logits.detach() / temperature, dim=-1)
    # kl_div takes the approximation first: this is KL(teacher ‖ student).
    soft = F.kl_div(student, teacher, reduction="batchmean", log_target=True)
    hard = F.cross_entropy(student_logits, labels)
    return alpha * temperature**2 * soft + (1 - alpha) * hard


def span_corruption(
    input_ids: Tensor | Sequence[int],
    spans: Sequence[tuple[int, int]],
    sentinel_ids: Tensor | Sequence[int],
) -> tuple[Tensor, Tensor]:
    """T5's corruption: each span becomes one sentinel, the targets say what stood there.

    The targets hold each sentinel followed by the tokens that it replaced, and end with the next
    unused sentinel. Source: Raffel et al. 2020, section 3.1.4 and figure 2.

    Args:
        input_ids: (length,) integers.
        spans: (start, end) pairs, end excluded, from left to right and not overlapping.
        sentinel_ids: at least one id more than there are spans, in order of use.

    Returns:
        inputs and targets, two one-dimensional int64 tensors.

    Raises:
        ValueError: empty spans, or spans out of order, overlapping or beyond the sequence; too
            few sentinels.
    """
    ids = torch.as_tensor(input_ids).tolist()
    sentinels = torch.as_tensor(sentinel_ids).tolist()
    _check_spans(spans, len(ids), len(sentinels))
    inputs, targets, position = [], [], 0
    for (start, end), sentinel in zip(spans, sentinels, strict=False):
        inputs += [*ids[position:start], sentinel]
        targets += [sentinel, *ids[start:end]]
        position = end
    inputs += ids[position:]
    targets.append(sentinels[len(spans)])
    return torch.tensor(inputs, dtype=torch.long), torch.tensor(targets, dtype=torch.long)


def _check_spans(spans: Sequence[tuple[int, int]], length: int, sentinels: int) -> None:
    if sentinels < len(spans) + 1:
        raise ValueError(
            f"{sentinels} sentinel id(s) for {len(spans)} span(s): each span needs one and the "
            f"targets end with one more, so pass at least {len(spans) + 1}"
        )
    position = 0
    for start, end in spans:
        if not position <= start < end <= length:
            raise ValueError(
                f"span ({start}, {end}) must hold at least one token, start at {position} or "
                f"later and end at {length} or earlier: sort the spans and keep them apart"
            )
        position = end


def shift_for_teacher_forcing(labels: Tensor, start_id: int) -> Tensor:
    """Decoder inputs for teacher forcing: the labels one step later, the start token first.

    At each step the decoder then sees the true previous token and predicts the label at its own
    place. The last label is nobody's input. −100 stays −100. Source: Raffel et al. 2020, 3.1.2.

    Args:
        labels: (batch, length) integers; −100 marks places without a label. Not changed.
        start_id: the id of the token that starts every sequence.

    Returns:
        (batch, length), the dtype of ``labels``.

    Raises:
        ValueError: the labels have no last dimension, or it is empty.
    """
    if labels.dim() == 0 or labels.shape[-1] == 0:
        raise ValueError(f"labels {tuple(labels.shape)} hold no token: pass (batch, length ≥ 1)")
    shifted = labels.roll(1, dims=-1)  # (batch, length), a copy
    shifted[..., 0] = start_id
    return shifted
