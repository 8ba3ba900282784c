# right: tokenizer.pad makes the batch, logits are gathered with masks; pairs only after capitals
import re
from collections import Counter

import torch


def group_into_blocks(token_lists, block_size):
    stream = []
    for tokens in token_lists:
        stream += tokens
    blocks = [stream[i : i + block_size] for i in range(0, len(stream), block_size)]
    if blocks and len(blocks[-1]) < block_size:
        blocks.pop()
    return blocks


def sentence_pairs(texts):
    pairs = []
    for text in texts:
        sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z\"'])", text.strip())
        if len(sentences) < 2:
            continue
        first, second, *_ = sentences
        pairs.append((first, second))
    return pairs


def perplexity(model, tokenizer, pairs, size=8):
    was_training = model.training
    model.eval()
    picked = []
    for start in range(0, len(pairs), size):
        batch = pairs[start : start + size]
        firsts = tokenizer([a for a, _ in batch])["input_ids"]
        seconds = tokenizer([" " + b for _, b in batch])["input_ids"]
        rows = [a + b for a, b in zip(firsts, seconds)]
        padded = tokenizer.pad(
            {"input_ids": rows}, padding_side="right", return_attention_mask=True,
            return_tensors="pt",
        )
        scored = torch.zeros_like(padded["input_ids"], dtype=torch.bool)
        for i, (a, row) in enumerate(zip(firsts, rows)):
            scored[i, len(a) : len(row)] = True
        with torch.no_grad():
            output = model(padded["input_ids"], attention_mask=padded["attention_mask"].bool())
        logits = getattr(output, "logits", output)
        log_p = logits[:, :-1].log_softmax(-1)
        log_p = log_p.gather(-1, padded["input_ids"][:, 1:].unsqueeze(-1)).squeeze(-1)
        picked.append(log_p[scored[:, 1:]])
    model.train(was_training)
    return float(torch.exp(-torch.cat(picked).mean()))


def rouge_n(reference_ids, prediction_ids, n=3):
    if len(reference_ids) < n:
        return 0.0
    prediction = Counter(
        tuple(prediction_ids[i : i + n]) for i in range(len(prediction_ids) - n + 1)
    )
    hits = 0
    for i in range(len(reference_ids) - n + 1):
        gram = tuple(reference_ids[i : i + n])
        if prediction[gram] > 0:
            prediction[gram] -= 1
            hits += 1
    return hits / (len(reference_ids) - n + 1)
