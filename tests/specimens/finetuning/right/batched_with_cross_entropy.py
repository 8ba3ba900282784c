# right: padded batches with an attention mask and -100 labels; itertools; sentences by finditer
import itertools
import math
import re
from collections import Counter

import torch
import torch.nn.functional as F


def group_into_blocks(token_lists, block_size):
    stream = list(itertools.chain.from_iterable(token_lists))
    total = (len(stream) // block_size) * block_size
    return [stream[i : i + block_size] for i in range(0, total, block_size)]


def sentence_pairs(texts):
    pairs = []
    for text in texts:
        found = [m.group().strip() for m in re.finditer(r"[^.!?]+[.!?]+", text)]
        if len(found) > 1:
            pairs.append((found[0], found[1]))
    return pairs


def perplexity(model, tokenizer, pairs):
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    total, count = 0.0, 0
    try:
        with torch.no_grad():
            for start in range(0, len(pairs), 16):
                rows, marks = [], []
                for first, second in pairs[start : start + 16]:
                    prefix = tokenizer(first)["input_ids"]
                    target = tokenizer(" " + second)["input_ids"]
                    rows.append(prefix + target)
                    marks.append([-100] * len(prefix) + target)
                longest = max(map(len, rows))
                pad = tokenizer.pad_token_id
                ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
                mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
                labels = torch.tensor([row + [-100] * (longest - len(row)) for row in marks])
                output = model(ids.to(device), attention_mask=mask.to(device))
                logits = getattr(output, "logits", output)[:, :-1]
                labels = labels[:, 1:].to(device)
                total += F.cross_entropy(
                    logits.reshape(-1, logits.size(-1)),
                    labels.reshape(-1),
                    ignore_index=-100,
                    reduction="sum",
                ).item()
                count += (labels != -100).sum().item()
    finally:
        model.train(was_training)
    return math.exp(total / count)


def rouge_n(reference_ids, prediction_ids, n=3):
    def count(ids):
        return Counter(zip(*[ids[i:] for i in range(n)]))

    reference, prediction = count(reference_ids), count(prediction_ids)
    if not reference:
        return 0.0
    return sum((reference & prediction).values()) / sum(reference.values())
