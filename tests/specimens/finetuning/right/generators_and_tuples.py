# right: a generator of pairs, tuples as blocks, sums in float64, the text's start as context
import math
import re
from collections import Counter
from itertools import islice

import numpy as np
import torch


def group_into_blocks(token_lists, block_size):
    stream = (token for tokens in token_lists for token in tokens)
    blocks = []
    while len(block := tuple(islice(stream, block_size))) == block_size:
        blocks.append(block)
    return blocks


def sentence_pairs(texts):
    for text in texts:
        ends = [m.end() for m in re.finditer(r"[.!?](?=\s|$)", text)]
        if len(ends) >= 2:
            yield [text[: ends[0]].strip(), text[ends[0] : ends[1]].strip()]


def perplexity(model, tokenizer, pairs):
    was = model.training
    model.eval()
    log_probabilities = []
    for first, second in pairs:
        prefix = [tokenizer.bos_token_id] + tokenizer(first, add_special_tokens=False)["input_ids"]
        target = tokenizer(" " + second, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            output = model(torch.tensor([prefix + target[:-1]]))
        logits = getattr(output, "logits", output)[0, -len(target) :].double().numpy()
        logits = logits - logits.max(axis=1, keepdims=True)
        norms = np.log(np.exp(logits).sum(axis=1))
        log_probabilities.extend(logits[np.arange(len(target)), target] - norms)
    model.train(was)
    return np.exp(-np.mean(log_probabilities))


def rouge_n(reference_ids, prediction_ids, n=3):
    reference = Counter(tuple(g) for g in np.lib.stride_tricks.sliding_window_view(
        np.asarray(reference_ids), n)) if len(reference_ids) >= n else Counter()
    prediction = Counter(tuple(g) for g in np.lib.stride_tricks.sliding_window_view(
        np.asarray(prediction_ids), n)) if len(prediction_ids) >= n else Counter()
    missed = sum((reference - prediction).values())
    total = sum(reference.values())
    return 0.0 if total == 0 else 1 - missed / total
