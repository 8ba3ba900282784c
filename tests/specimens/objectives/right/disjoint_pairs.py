# right: pairs do not overlap (sentences 0-1, 2-3, …); 0-d tensors as labels; matmul for the mask
import torch
import torch.nn.functional as F


def next_sentence_pairs(documents, generator):
    pairs = []
    for number, document in enumerate(documents):
        others = [s for k, d in enumerate(documents) if k != number for s in d]
        for i in range(0, len(document) - 1, 2):
            is_next = torch.rand((), generator=generator) < 0.5
            j = torch.randint(len(others), (), generator=generator)
            pairs.append((document[i], document[i + 1] if is_next else others[j], is_next))
    return pairs


def permutation_mask(order):
    order = torch.as_tensor(order)
    moved = torch.eye(len(order))[order]
    return (moved.T @ torch.ones(len(order), len(order)).tril() @ moved) > 0.5


def distillation_loss(student_logits, teacher_logits, labels, temperature=2.0, alpha=0.5):
    with torch.no_grad():
        p = F.softmax(teacher_logits / temperature, dim=1)
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    cross = -(p * log_q).sum(dim=1).mean()
    entropy = torch.distributions.Categorical(probs=p).entropy().mean()
    hard = F.nll_loss(F.log_softmax(student_logits, dim=1), labels)
    return alpha * (temperature**2) * (cross - entropy) + (1.0 - alpha) * hard


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
