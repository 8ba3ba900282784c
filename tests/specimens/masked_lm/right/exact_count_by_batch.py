# right: one exact count for the whole batch; loss by log_softmax and gather; no clipping, zero_grad at the end
import torch
import torch.nn.functional as F


def mask_tokens(input_ids, special_tokens_mask, mask_token_id, vocab_size, mask_rate=0.15,
                only_mask=False, generator=None):
    flat = input_ids.reshape(-1)
    content = torch.where(special_tokens_mask.reshape(-1) == 0)[0]
    count = int(mask_rate * len(content) + 0.5)
    picked = content[torch.randperm(len(content), generator=generator)[:count]]
    labels = torch.full_like(flat, -100)
    labels[picked] = flat[picked]
    corrupted = flat.clone()
    first = count if only_mask else int(0.8 * count)
    second = count if only_mask else int(0.9 * count)
    corrupted[picked[:first]] = mask_token_id
    weights = torch.ones(vocab_size)
    if mask_token_id < vocab_size:
        weights[mask_token_id] = 0
    if second > first:
        corrupted[picked[first:second]] = torch.multinomial(weights, second - first, True, generator=generator)
    return corrupted.view_as(input_ids), labels.view_as(input_ids)


def masked_lm_loss(logits, labels):
    chosen = labels != -100
    log_p = logits.log_softmax(dim=-1)
    safe = labels.masked_fill(~chosen, 0)
    picked = log_p.gather(-1, safe.unsqueeze(-1)).squeeze(-1)
    return -(picked * chosen).sum() / chosen.sum()


def pretraining_step(model, optimizer, input_ids, special_tokens_mask, mask_token_id, vocab_size,
                     attention_mask=None):
    corrupted, labels = mask_tokens(input_ids, special_tokens_mask, mask_token_id, vocab_size)
    if attention_mask is None:
        output = model(corrupted)
    else:
        output = model(corrupted, attention_mask)
    if hasattr(output, "logits"):
        output = output.logits
    loss = masked_lm_loss(output, labels)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(loss)


def fill_mask(model, tokenizer, text, k=5):
    encoded = tokenizer(text, return_tensors="pt")
    input_ids = encoded["input_ids"]
    was_training = model.training
    model.eval()
    with torch.no_grad():
        output = model(input_ids, attention_mask=encoded["attention_mask"])
    model.train(was_training)
    logits = getattr(output, "logits", output)[0]
    fills = []
    for position in (input_ids[0] == tokenizer.mask_token_id).nonzero().flatten().tolist():
        probabilities = torch.softmax(logits[position], dim=-1)
        values, ids = probabilities.topk(k)
        tokens = tokenizer.convert_ids_to_tokens(ids.tolist())
        fills.append(list(zip(tokens, values.tolist())))
    return fills


def sample_mask(model, tokenizer, text, temperature=1.0, generator=None):
    encoded = tokenizer(text, return_tensors="pt")
    input_ids = encoded["input_ids"]
    was_training = model.training
    model.eval()
    with torch.no_grad():
        output = model(input_ids, attention_mask=encoded["attention_mask"])
    model.train(was_training)
    logits = getattr(output, "logits", output)[0]
    places = input_ids[0] == tokenizer.mask_token_id
    probabilities = torch.softmax(logits[places] / temperature, dim=-1)
    drawn = torch.multinomial(probabilities, 1, generator=generator).squeeze(-1)
    filled = input_ids[0].clone()
    filled[places] = drawn
    return tokenizer.decode(filled, skip_special_tokens=True)
