# right: exact counts at random places of each row, split after a shuffle; topk by sort; words put back by replace
import torch
import torch.nn.functional as F


def mask_tokens(input_ids, special_tokens_mask, mask_token_id, vocab_size, mask_rate=0.15,
                only_mask=False, generator=None):
    corrupted, labels = input_ids.clone(), torch.full_like(input_ids, -100)
    others = torch.tensor([w for w in range(vocab_size) if w != mask_token_id])
    for row in range(input_ids.size(0)):
        content = (special_tokens_mask[row] == 0).nonzero().flatten()
        count = round(mask_rate * len(content))
        chosen = content[torch.randperm(len(content), generator=generator)[:count]]
        labels[row, chosen] = input_ids[row, chosen]
        if only_mask:
            corrupted[row, chosen] = mask_token_id
            continue
        masked, replaced = int(0.8 * count), int(0.9 * count)
        corrupted[row, chosen[:masked]] = mask_token_id
        drawn = torch.randint(len(others), (replaced - masked,), generator=generator)
        corrupted[row, chosen[masked:replaced]] = others[drawn]
    return corrupted, labels


def masked_lm_loss(logits, labels):
    return F.cross_entropy(logits.reshape(-1, logits.size(-1)), labels.reshape(-1), ignore_index=-100)


def pretraining_step(model, optimizer, input_ids, special_tokens_mask, mask_token_id, vocab_size,
                     attention_mask=None):
    model.train()
    corrupted, labels = mask_tokens(input_ids, special_tokens_mask, mask_token_id, vocab_size)
    output = model(corrupted, attention_mask=attention_mask)
    logits = getattr(output, "logits", output)
    loss = masked_lm_loss(logits, labels)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def fill_mask(model, tokenizer, text, k=5):
    ids = tokenizer.encode(text)
    before = model.training
    try:
        model.eval()
        out = model(torch.tensor([ids]))
    finally:
        model.train(before)
    out = out if torch.is_tensor(out) else out.logits
    p = out.detach().softmax(-1)[0]
    result = []
    for i, token_id in enumerate(ids):
        if token_id == tokenizer.mask_token_id:
            order = p[i].argsort(descending=True)[:k]
            result.append([(tokenizer.convert_ids_to_tokens(int(j)), float(p[i, j])) for j in order])
    return result


def sample_mask(model, tokenizer, text, temperature=1.0, generator=None):
    ids = tokenizer(text, return_tensors="pt").input_ids
    before = model.training
    model.eval()
    with torch.inference_mode():
        out = model(ids)
    model.train(before)
    logits = (out if torch.is_tensor(out) else out.logits)[0]
    for i in (ids[0] == tokenizer.mask_token_id).nonzero()[:, 0].tolist():
        p = F.softmax(logits[i] / temperature, dim=0)
        word = torch.multinomial(p, 1, generator=generator)
        text = text.replace(tokenizer.mask_token, tokenizer.convert_ids_to_tokens(word.tolist())[0], 1)
    return text
