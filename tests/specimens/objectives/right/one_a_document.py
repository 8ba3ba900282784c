# right: one pair a document at a random place; lists only for the mask and the spans
import torch
import torch.nn.functional as F


def next_sentence_pairs(documents, generator):
    pairs = []
    for number, document in enumerate(documents):
        if len(document) < 2:
            continue
        i = int(torch.randint(len(document) - 1, (1,), generator=generator))
        if torch.randint(2, (1,), generator=generator).item():
            pairs.append((document[i], document[i + 1], True))
        else:
            others = [d for k, d in enumerate(documents) if k != number and d]
            other = others[int(torch.randint(len(others), (1,), generator=generator))]
            j = int(torch.randint(len(other), (1,), generator=generator))
            pairs.append((document[i], other[j], False))
    return pairs


def permutation_mask(order):
    turn = [order.index(position) for position in range(len(order))]
    return torch.tensor(
        [[turn[j] <= turn[i] for j in range(len(order))] for i in range(len(order))]
    )


def distillation_loss(student_logits, teacher_logits, labels, temperature=2.0, alpha=0.5):
    student = F.log_softmax(student_logits / temperature, dim=-1)
    teacher = F.softmax(teacher_logits / temperature, dim=-1)
    soft = F.kl_div(student, teacher, reduction="batchmean") * temperature**2
    hard = F.cross_entropy(student_logits, labels)
    return alpha * soft + (1 - alpha) * hard


def span_corruption(input_ids, spans, sentinel_ids):
    inputs, targets, cut = input_ids[:0], input_ids[:0], 0
    for (start, end), sentinel in zip(spans, sentinel_ids):
        inputs = inputs + input_ids[cut:start] + [sentinel]
        targets = targets + [sentinel] + input_ids[start:end]
        cut = end
    return inputs + input_ids[cut:], targets + [sentinel_ids[len(spans)]]


def shift_for_teacher_forcing(labels, start_id):
    shifted = labels.clone()
    shifted[:, 1:] = labels[:, :-1]
    shifted[:, 0] = start_id
    return shifted
