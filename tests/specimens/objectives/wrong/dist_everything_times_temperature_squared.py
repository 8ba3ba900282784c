# caught by: the_hard_part_is_plain_cross_entropy
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
    student = F.log_softmax(student_logits / temperature, dim=-1)
    teacher = F.softmax(teacher_logits / temperature, dim=-1)
    soft = F.kl_div(student, teacher, reduction="batchmean")
    hard = F.cross_entropy(student_logits, labels)
    return temperature**2 * (alpha * soft + (1 - alpha) * hard)


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
    shifted = labels.clone()
    shifted[:, 1:] = labels[:, :-1]
    shifted[:, 0] = start_id
    return shifted
