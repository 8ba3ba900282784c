# right: one text a pair, targets found by character offsets; recursion for the n-grams
import math
import re

import torch


class Sentences:
    ENDS = re.compile(r"[.!?]+")

    def __init__(self, text):
        self.text = text.strip()

    def __iter__(self):
        start = 0
        for match in self.ENDS.finditer(self.text):
            yield self.text[start : match.end()].strip()
            start = match.end()


def group_into_blocks(token_lists, block_size):
    def pour(rest, lists):
        for tokens in lists:
            rest = rest + list(tokens)
            while len(rest) >= block_size:
                yield rest[:block_size]
                rest = rest[block_size:]

    return list(pour([], token_lists))


def sentence_pairs(texts):
    all_sentences = [list(Sentences(text)) for text in texts]
    return [tuple(sentences[:2]) for sentences in all_sentences if len(sentences) >= 2]


def perplexity(model, tokenizer, pairs):
    was_training = model.training
    model.eval()
    total = count = 0
    with torch.no_grad():
        for first, second in pairs:
            encoded = tokenizer(f"{first} {second}", return_offsets_mapping=True)
            ids = torch.tensor(encoded["input_ids"])
            ends = torch.tensor([end for _, end in encoded["offset_mapping"]])
            is_target = ends > len(first)
            output = model(input_ids=ids[None])
            logits = getattr(output, "logits", output)[0]
            distribution = torch.distributions.Categorical(logits=logits[:-1])
            log_p = distribution.log_prob(ids[1:])
            total = total - log_p[is_target[1:]].double().sum()
            count = count + is_target.sum()
    model.train(was_training)
    return math.exp(total / count)


def rouge_n(reference_ids, prediction_ids, n=3):
    reference, prediction = list(reference_ids), list(prediction_ids)

    def windows(ids):
        return [] if len(ids) < n else [ids[:n], *windows(ids[1:])]

    wanted, pool = windows(reference), windows(prediction)
    hits = 0
    for window in wanted:
        if window in pool:
            pool.remove(window)
            hits += 1
    return hits / len(wanted) if wanted else 0.0
