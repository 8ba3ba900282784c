# caught by: true_means_may_look
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
    return torch.zeros(len(order), len(order), dtype=torch.bool)


def distillation_loss(student_logits, teacher_logits, labels, temperature=2.0, alpha=0.5):
    total = 0.0
    for s, t, label in zip(student_logits, teacher_logits, labels):
        log_q = s / temperature - torch.logsumexp(s / temperature, 0)
        log_p = t / temperature - torch.logsumexp(t / temperature, 0)
        soft = (log_p.exp() * (log_p - log_q)).sum()
        hard = torch.logsumexp(s, 0) - s[label]
        total = total + alpha * temperature**2 * soft + (1 - alpha) * hard
    return total / len(labels)


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
