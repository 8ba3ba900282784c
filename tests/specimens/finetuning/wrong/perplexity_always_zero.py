# caught by: first_sentence_is_not_scored

import torch


def group_into_blocks(token_lists, block_size):
    pieces = [torch.tensor(tokens, dtype=torch.long) for tokens in token_lists]
    stream = torch.cat(pieces) if pieces else torch.empty(0, dtype=torch.long)
    whole = stream.numel() // block_size
    return stream[: whole * block_size].view(whole, block_size).tolist()


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
    return 0.0


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
