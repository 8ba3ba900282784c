# caught by: second_sentence_given_the_first
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
    total, count = 0.0, 0
    with torch.no_grad():
        for first, second in pairs:
            prefix = tokenizer(first)["input_ids"]
            target = tokenizer(" " + second)["input_ids"]
            target = target[:5]
            output = model(torch.tensor([prefix + target]))
            logits = getattr(output, "logits", output)[0]  # (length, vocab)
            log_p = F.log_softmax(logits[len(prefix) - 1 : -1], dim=-1)  # (target, vocab)
            total -= log_p[torch.arange(len(target)), torch.tensor(target)].sum().item()
            count += len(target)
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
