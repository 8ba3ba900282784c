# right: exactly half of the pairs are true, at random places; masks by scatter; slices joined by cat
import torch
import torch.nn.functional as F


def next_sentence_pairs(documents, generator):
    sites = [(d, i) for d, doc in enumerate(documents) for i in range(len(doc) - 1)]
    chosen = torch.randperm(len(sites), generator=generator)[: len(sites) // 2]
    true = set(chosen.tolist())
    pairs = []
    for n, (d, i) in enumerate(sites):
        if n in true:
            pairs.append([documents[d][i], documents[d][i + 1], 1])
            continue
        e = int(torch.randint(len(documents) - 1, (), generator=generator))
        other = documents[e + (e >= d)]
        j = int(torch.randint(len(other), (), generator=generator))
        pairs.append([documents[d][i], other[j], 0])
    return pairs


def permutation_mask(order):
    order = torch.as_tensor(order)
    causal = torch.tril(torch.ones(len(order), len(order))).bool()
    mask = torch.empty_like(causal)
    mask[order.unsqueeze(1), order] = causal
    return mask


def distillation_loss(student_logits, teacher_logits, labels, temperature=2.0, alpha=0.5):
    log_p = (teacher_logits / temperature).log_softmax(-1)
    log_q = (student_logits / temperature).log_softmax(-1)
    soft = torch.nn.KLDivLoss(reduction="none", log_target=True)(log_q, log_p).sum(-1).mean()
    hard = -student_logits.log_softmax(-1).gather(1, labels[:, None]).mean()
    return torch.lerp(hard, soft * temperature * temperature, alpha)


def span_corruption(input_ids, spans, sentinel_ids):
    input_ids = torch.as_tensor(input_ids)
    sentinels = torch.as_tensor(sentinel_ids).to(input_ids)
    inputs, targets, last = [], [], 0
    for (start, end), sentinel in zip(spans, sentinels.split(1)):
        inputs += [input_ids[last:start], sentinel]
        targets += [sentinel, input_ids[start:end]]
        last = end
    inputs.append(input_ids[last:])
    targets.append(sentinels[len(spans) : len(spans) + 1])
    return torch.cat(inputs), torch.cat(targets)


def shift_for_teacher_forcing(labels, start_id):
    start = torch.full_like(labels[:, :1], start_id)
    return torch.cat([start, labels[:, :-1]], dim=1)
