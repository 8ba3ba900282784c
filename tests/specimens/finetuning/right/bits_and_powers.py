# right: base 2 throughout, weighted means joined at the end; the cut by nltk-like rules
import itertools
import re
from collections import Counter

import torch


def group_into_blocks(token_lists, block_size):
    stream = itertools.chain(*token_lists)
    return [list(block) for block in zip(*[stream] * block_size)]


def sentence_pairs(texts):
    pairs = []
    for text in texts:
        words, sentences, current = text.split(), [], []
        for word in words:
            current.append(word)
            if re.search(r"[.!?][\"')]*$", word):
                sentences.append(" ".join(current))
                current = []
        if current:
            sentences.append(" ".join(current))
        if len(sentences) > 1:
            pairs.append((sentences[0], sentences[1]))
    return pairs


def bits(model, prefix, target):
    output = model(torch.tensor([prefix + target]))
    logits = getattr(output, "logits", output)
    log2_p = torch.log2(torch.softmax(logits[0].double(), dim=-1))
    places = torch.arange(len(prefix) - 1, len(prefix) + len(target) - 1)
    return -log2_p[places, torch.tensor(target)].mean().item()


def perplexity(model, tokenizer, pairs):
    was_training = model.training
    model.train(False)
    means, weights = [], []
    with torch.no_grad():
        for first, second in pairs:
            prefix = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(first))
            target = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(" " + second))
            means.append(bits(model, prefix, target))
            weights.append(len(target))
    model.train(was_training)
    return 2.0 ** (sum(m * w for m, w in zip(means, weights)) / sum(weights))


def rouge_n(reference_ids, prediction_ids, n=3):
    counts = [Counter(), Counter()]
    for counter, ids in zip(counts, (reference_ids, prediction_ids)):
        for i in range(n, len(ids) + 1):
            counter[tuple(ids[i - n : i])] += 1
    total = sum(counts[0].values())
    if total == 0:
        return 0
    return sum(min(counts[0][g], counts[1][g]) for g in counts[0].keys() & counts[1].keys()) / total
