# right: tensor arithmetic for spans: cumulative sums and repeated sentinels; cross-entropy with soft labels
import torch
import torch.nn.functional as F


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
    rank = torch.argsort(torch.as_tensor(order))
    return rank[:, None] >= rank[None, :]


def distillation_loss(student_logits, teacher_logits, labels, temperature=2.0, alpha=0.5):
    soft_labels = torch.softmax(teacher_logits / temperature, dim=-1)
    floor = F.cross_entropy(teacher_logits / temperature, soft_labels)
    soft = F.cross_entropy(student_logits / temperature, soft_labels) - floor
    return alpha * temperature**2 * soft + (1 - alpha) * F.cross_entropy(student_logits, labels)


def span_corruption(input_ids, spans, sentinel_ids):
    ids = torch.as_tensor(input_ids)
    sentinels = torch.as_tensor(sentinel_ids)
    inside = torch.zeros(len(ids), dtype=torch.bool)
    replaced = ids.clone()
    for k, (start, end) in enumerate(spans):
        inside[start:end] = True
        replaced[start] = sentinels[k]
        inside[start] = False
    pieces = [torch.cat([sentinels[k : k + 1], ids[a:b]]) for k, (a, b) in enumerate(spans)]
    n = len(spans)
    return replaced[~inside], torch.cat([*pieces, sentinels[n : n + 1]])


def shift_for_teacher_forcing(labels, start_id):
    shifted = labels.clone()
    shifted[:, 1:] = labels[:, :-1]
    shifted[:, 0] = start_id
    return shifted
