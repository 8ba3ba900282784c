# right: Python's Random seeded by a draw from the generator; F.pad for the shift; Categorical and einsum
import random

import torch
import torch.nn.functional as F
from torch.distributions import Categorical


def next_sentence_pairs(documents, generator):
    chance = random.Random(int(torch.randint(2**62, (1,), generator=generator)))
    pairs = []
    for number, document in enumerate(documents):
        others = [d for k, d in enumerate(documents) if k != number]
        for first, following in zip(document, document[1:]):
            is_next = chance.random() < 0.5
            second = following if is_next else chance.choice(chance.choice(others))
            pairs.append((first, second, is_next))
    chance.shuffle(pairs)
    return pairs


def permutation_mask(order):
    rank = torch.argsort(torch.as_tensor(order))
    return rank[:, None] >= rank[None, :]


def distillation_loss(student_logits, teacher_logits, labels, temperature=2.0, alpha=0.5):
    teacher = Categorical(logits=teacher_logits / temperature)
    student = (student_logits / temperature).log_softmax(-1)
    soft = torch.einsum("bc,bc->", teacher.probs, teacher.logits - student) / len(labels)
    loss = F.cross_entropy(student_logits, labels) * (1 - alpha)
    return loss + soft * alpha * temperature**2


def span_corruption(input_ids, spans, sentinel_ids):
    ids = [int(i) for i in input_ids]
    sentinels = [int(i) for i in sentinel_ids]
    inputs, targets, position = [], [], 0
    for k, (start, end) in enumerate(spans):
        inputs += ids[position:start] + [sentinels[k]]
        targets += [sentinels[k]] + ids[start:end]
        position = end
    inputs += ids[position:]
    targets += [sentinels[len(spans)]]
    return torch.tensor(inputs), torch.tensor(targets)


def shift_for_teacher_forcing(labels, start_id):
    return F.pad(labels, (1, 0), value=start_id)[:, :-1]
