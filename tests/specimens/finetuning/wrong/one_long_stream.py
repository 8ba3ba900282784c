# caught by: pairs_do_not_touch_each_other
import math
import re
from collections import Counter

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
    ids, labels = [], []
    for first, second in pairs:
        prefix = tokenizer(first)["input_ids"]
        target = tokenizer(" " + second)["input_ids"]
        ids += prefix + target
        labels += [-100] * len(prefix) + target
    total, count = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(ids), 96):
            output = model(torch.tensor([ids[start : start + 96]]))
            logits = getattr(output, "logits", output)[0]
            wanted = torch.tensor(labels[start : start + 96])[1:]
            loss = F.cross_entropy(logits[:-1], wanted, ignore_index=-100, reduction="sum")
            total += loss.item()
            count += int((wanted != -100).sum())
    model.train(was_training)
    return math.exp(total / count)


def rouge_n(reference_ids, prediction_ids, n=3):
    def ngrams(ids):
        return Counter(tuple(ids[i : i + n]) for i in range(len(ids) - n + 1))

    reference, prediction = ngrams(reference_ids), ngrams(prediction_ids)
    if not reference:
        return 0.0
    matched = sum(min(count, prediction[gram]) for gram, count in reference.items())
    return matched / sum(reference.values())
