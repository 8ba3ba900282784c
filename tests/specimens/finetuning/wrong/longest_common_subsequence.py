# caught by: share_of_the_reference
import math
import re

import torch
import torch.nn.functional as F


def group_into_blocks(token_lists, block_size):
    stream = []
    for tokens in token_lists:
        stream.extend(tokens)
    count = len(stream) // block_size
    return [stream[i * block_size : (i + 1) * block_size] for i in range(count)]


def sentence_pairs(texts):
    pairs = []
    for text in texts:
        sentences = re.split(r"(?<=[.!?])\s+", text.strip())
        if len(sentences) >= 2:
            pairs.append((sentences[0], sentences[1]))
    return pairs


def perplexity(model, tokenizer, pairs):
    was_training = model.training
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for first, second in pairs:
            prefix = tokenizer(first)["input_ids"]
            target = tokenizer(" " + second)["input_ids"]
            output = model(torch.tensor([prefix + target]))
            logits = getattr(output, "logits", output)[0]  # (length, vocab)
            log_p = F.log_softmax(logits[len(prefix) - 1 : -1], dim=-1)  # (target, vocab)
            total -= log_p[torch.arange(len(target)), torch.tensor(target)].sum().item()
            count += len(target)
    model.train(was_training)
    return math.exp(total / count)


def rouge_n(reference_ids, prediction_ids, n=3):
    if len(reference_ids) < n:
        return 0.0
    best = [0] * (len(prediction_ids) + 1)
    for token in reference_ids:
        row = [0]
        for j, other in enumerate(prediction_ids):
            row.append(best[j] + 1 if token == other else max(best[j + 1], row[j]))
        best = row
    return best[-1] / len(reference_ids)
