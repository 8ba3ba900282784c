# caught by: too_few_tokens_give_no_block
import math

import torch


def group_into_blocks(token_lists, block_size):
    return []


def sentence_pairs(texts):
    pairs = []
    for text in texts:
        sentences, current = [], ""
        for letter in text:
            current += letter
            if letter in ".!?":
                sentences.append(current.strip())
                current = ""
        if len(sentences) >= 2:
            pairs.append(tuple(sentences[:2]))
    return pairs


def perplexity(model, tokenizer, pairs):
    mode = model.training
    model.eval()
    surprise = []
    with torch.no_grad():
        for first, second in pairs:
            seen = list(tokenizer.encode(first, add_special_tokens=False))
            for token in tokenizer.encode(" " + second, add_special_tokens=False):
                output = model(torch.tensor([seen]))
                logits = getattr(output, "logits", output)[0, -1].double()
                surprise.append(float(torch.logsumexp(logits, 0) - logits[token]))
                seen.append(token)
    model.train(mode)
    return math.exp(math.fsum(surprise) / len(surprise))


def rouge_n(reference_ids, prediction_ids, n=3):
    def table(ids):
        found = {}
        for start in range(len(ids) - n + 1):
            key = tuple(int(i) for i in ids[start : start + n])
            found[key] = found.get(key, 0) + 1
        return found

    ours, theirs = table(reference_ids), table(prediction_ids)
    total = sum(ours.values())
    return sum(min(ours[k], theirs.get(k, 0)) for k in ours) / total if total else 0.0
