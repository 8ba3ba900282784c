# right: the pair is tokenised as one text, the boundary found by the length of the first
import math
import re

import torch


def group_into_blocks(token_lists, block_size):
    blocks, block = [], []
    for tokens in token_lists:
        for token in tokens:
            block.append(token)
            if len(block) == block_size:
                blocks.append(block)
                block = []
    return blocks


def sentence_pairs(texts):
    result = []
    for text in texts:
        match = re.match(r"\s*(.+?[.!?]+)\s+(.+?[.!?]+)(?=\s|$)", text, re.DOTALL)
        if match:
            result.append(match.groups())
    return result


@torch.inference_mode()
def perplexity(model, tokenizer, pairs):
    training = model.training
    model.eval()
    losses = []
    for first, second in pairs:
        ids = tokenizer(first + " " + second, return_tensors="pt").input_ids
        boundary = tokenizer(first, return_tensors="pt").input_ids.size(1)
        output = model(ids, attention_mask=torch.ones_like(ids))
        logits = output if torch.is_tensor(output) else output.logits
        log_p = logits[:, :-1].log_softmax(-1)
        picked = log_p.gather(2, ids[:, 1:, None]).squeeze(2)
        losses.append(-picked[0, boundary - 1 :])
    model.train(training)
    return torch.cat(losses).mean().exp().item()


def rouge_n(reference_ids, prediction_ids, n=3):
    left = [tuple(prediction_ids[i : i + n]) for i in range(len(prediction_ids) - n + 1)]
    total = len(reference_ids) - n + 1
    if total <= 0:
        return 0.0
    matched = 0
    for i in range(total):
        gram = tuple(reference_ids[i : i + n])
        if gram in left:
            left.remove(gram)
            matched += 1
    return matched / total
