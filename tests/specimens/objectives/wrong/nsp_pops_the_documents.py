# caught by: documents_stay_as_they_are
import torch
import torch.nn.functional as F


def next_sentence_pairs(documents, generator):
    pairs = []
    everything = [list(d) for d in documents]
    for number, document in enumerate(documents):
        others = [s for k, d in enumerate(everything) if k != number for s in d]
        while len(document) > 1:
            first = document.pop(0)
            if torch.rand(1, generator=generator).item() < 0.5:
                pairs.append((first, document[0], True))
            else:
                j = torch.randint(len(others), (1,), generator=generator).item()
                pairs.append((first, others[j], False))
    return pairs


def permutation_mask(order):
    rank = torch.argsort(torch.as_tensor(order))
    return rank[:, None] >= rank[None, :]


def distillation_loss(student_logits, teacher_logits, labels, temperature=2.0, alpha=0.5):
    student = F.log_softmax(student_logits / temperature, dim=-1)
    teacher = F.softmax(teacher_logits / temperature, dim=-1)
    soft = F.kl_div(student, teacher, reduction="batchmean") * temperature**2
    hard = F.cross_entropy(student_logits, labels)
    return alpha * soft + (1 - alpha) * hard


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
