# caught by: all_words_can_come
import torch
import torch.nn.functional as F


def mask_tokens(input_ids, special_tokens_mask, mask_token_id, vocab_size, mask_rate=0.15, only_mask=False, generator=None):
    if not 0 <= mask_rate <= 1:
        raise ValueError(f"mask_rate {mask_rate}")
    if input_ids.numel() == 0:
        raise ValueError("empty input_ids")
    special = special_tokens_mask.bool()
    chosen = (torch.rand(input_ids.shape, generator=generator) < mask_rate) & ~special
    labels = input_ids.masked_fill(~chosen, -100)
    corrupted = input_ids.clone()
    if only_mask:
        corrupted[chosen] = mask_token_id
        return corrupted, labels
    draw = torch.rand(input_ids.shape, generator=generator)
    words = torch.randint(0, vocab_size - 1 if 0 <= mask_token_id < vocab_size else vocab_size, input_ids.shape, generator=generator)
    if 0 <= mask_token_id < vocab_size:
        words = words + (words >= mask_token_id).long()
    masked = chosen & (draw < 0.8)
    swapped = chosen & (draw >= 0.8) & (draw < 0.9)
    corrupted[masked] = mask_token_id
    corrupted[swapped] = words[swapped]
    return corrupted, labels


def masked_lm_loss(logits, labels):
    return F.cross_entropy(logits.reshape(-1, logits.size(-1)), labels.reshape(-1), ignore_index=-100)


def pretraining_step(model, optimizer, input_ids, special_tokens_mask, mask_token_id, vocab_size, attention_mask=None):
    model.train()
    corrupted, labels = mask_tokens(input_ids, special_tokens_mask, mask_token_id, vocab_size)
    if attention_mask is None:
        out = model(corrupted)
    else:
        out = model(corrupted, attention_mask=attention_mask)
    logits = getattr(out, "logits", out)
    loss = masked_lm_loss(logits, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def _mask_logits(model, tokenizer, text):
    enc = tokenizer(text, return_tensors="pt")
    ids = enc["input_ids"]
    where = (ids[0] == tokenizer.mask_token_id).nonzero().flatten()
    if len(where) == 0:
        raise ValueError(f"no mask in {text!r}")
    was = model.training
    model.eval()
    try:
        with torch.no_grad():
            out = model(ids, attention_mask=enc["attention_mask"])
    finally:
        model.train(was)
    return ids[0], where, getattr(out, "logits", out)[0, where]


def fill_mask(model, tokenizer, text, k=5):
    _, where, logits = _mask_logits(model, tokenizer, text)
    top = logits.softmax(-1).topk(k)
    return [list(zip(tokenizer.convert_ids_to_tokens(i.tolist()), p.tolist())) for p, i in zip(top.values, top.indices)]


def sample_mask(model, tokenizer, text, temperature=1.0, generator=None):
    if temperature <= 0:
        raise ValueError(f"temperature {temperature}")
    ids, where, logits = _mask_logits(model, tokenizer, text)
    logits = logits.masked_fill(logits < logits.topk(5).values[:, -1:], -1e9)
    drawn = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]
    ids = ids.clone()
    ids[where] = drawn
    return tokenizer.decode(ids, skip_special_tokens=True)
