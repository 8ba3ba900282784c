# right: the model's own loss times the number of targets where it takes labels, else by hand
import inspect
import math
import re

import torch
from torch.nn import functional as F


def group_into_blocks(token_lists, block_size):
    stream = sum((list(tokens) for tokens in token_lists), [])
    return [stream[i : i + block_size] for i in range(0, len(stream) - block_size + 1, block_size)]


def sentence_pairs(texts):
    split = [re.sub(r"([.!?])\s+", r"\1\n", text.strip()).split("\n") for text in texts]
    return [(s[0], s[1]) for s in split if len(s) > 1 and s[1]]


def perplexity(model, tokenizer, pairs):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    nll = torch.zeros((), dtype=torch.float64)
    targets = 0
    knows_labels = "labels" in inspect.signature(model.forward).parameters
    with torch.no_grad():
        for first, second in pairs:
            a = tokenizer(first, return_tensors="pt")["input_ids"]
            b = tokenizer(" " + second, return_tensors="pt")["input_ids"]
            ids = torch.cat([a, b], dim=1)
            labels = ids.clone()
            labels[:, : a.size(1)] = -100
            if knows_labels:
                loss = model(input_ids=ids, labels=labels).loss
            else:
                loss = F.cross_entropy(model(ids)[:, :-1].transpose(1, 2), labels[:, 1:])
            nll += loss * b.size(1)
            targets += b.size(1)
    for module, mode in modes.items():
        module.training = mode
    return torch.exp(nll / targets).item()


def rouge_n(reference_ids, prediction_ids, n=3):
    grams = lambda ids: [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    reference, prediction = grams(list(reference_ids)), grams(list(prediction_ids))
    if not reference:
        return 0.0
    return sum(
        min(reference.count(gram), prediction.count(gram)) for gram in set(reference)
    ) / len(reference)
