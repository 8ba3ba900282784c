# caught by: rows_do_not_mix
import torch


def next_sentence_pairs(documents, generator):
    pairs = []
    for number, document in enumerate(documents):
        others = [s for k, d in enumerate(documents) if k != number for s in d]
        for i in range(len(document) - 1):
            if torch.rand(1, generator=generator).item() < 0.5:
                pairs.append((document[i], document[i + 1], True))
            else:
                j = torch.randint(len(others), (1,), generator=generator).item()
                pairs.append((document[i], others[j], False))
    return pairs


def permutation_mask(order):
    order = [int(p) for p in order]
    mask = torch.zeros(len(order), len(order), dtype=torch.bool)
    for turn, position in enumerate(order):
        for other in order[: turn + 1]:
            mask[position, other] = True
    return mask


def distillation_loss(student_logits, teacher_logits, labels, temperature=2.0, alpha=0.5):
    return 0.0 * student_logits.sum()


def span_corruption(input_ids, spans, sentinel_ids):
    inputs, targets = [], []
    owner = {i: k for k, (start, end) in enumerate(spans) for i in range(start, end)}
    for i, token in enumerate(input_ids):
        k = owner.get(i)
        if k is None:
            inputs.append(int(token))
        else:
            if owner.get(i - 1) != k:
                inputs.append(int(sentinel_ids[k]))
                targets.append(int(sentinel_ids[k]))
            targets.append(int(token))
    targets.append(int(sentinel_ids[len(spans)]))
    return inputs, targets


def shift_for_teacher_forcing(labels, start_id):
    rows = [[start_id] + row[:-1] for row in labels.tolist()]
    return torch.tensor(rows)
