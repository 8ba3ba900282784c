# right: a true and a false pair for every sentence; in-place surgery from the right; new_zeros
import torch
import torch.nn.functional as F


def next_sentence_pairs(documents, generator):
    pairs = []
    for number, document in enumerate(documents):
        for first, following in zip(document, document[1:]):
            pairs.append((first, following, True))
            other = number
            while other == number or not documents[other]:
                other = int(torch.randint(len(documents), (1,), generator=generator))
            j = int(torch.randint(len(documents[other]), (1,), generator=generator))
            pairs.append((first, documents[other][j], False))
    return pairs


def permutation_mask(order):
    order = torch.as_tensor(order)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    return ~(rank.view(-1, 1) < rank.view(1, -1))


def distillation_loss(student_logits, teacher_logits, labels, temperature=2.0, alpha=0.5):
    student = F.log_softmax(student_logits / temperature, dim=-1)
    teacher = F.softmax(teacher_logits / temperature, dim=-1)
    soft = F.kl_div(student, teacher, reduction="batchmean") * temperature**2
    hard = F.cross_entropy(student_logits, labels)
    return alpha * soft + (1 - alpha) * hard


def span_corruption(input_ids, spans, sentinel_ids):
    inputs = list(torch.as_tensor(input_ids).tolist())
    targets = []
    for k in reversed(range(len(spans))):
        start, end = spans[k]
        targets = [sentinel_ids[k], *inputs[start:end], *targets]
        inputs[start:end] = [sentinel_ids[k]]
    return inputs, [*targets, sentinel_ids[len(spans)]]


def shift_for_teacher_forcing(labels, start_id):
    decoder_inputs = labels.new_zeros(labels.shape)
    decoder_inputs[..., 1:] = labels[..., :-1].clone()
    decoder_inputs[..., 0] = start_id
    return decoder_inputs
