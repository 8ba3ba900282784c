# caught by: pairs_belong_together
import torch
import torch.nn.functional as F


def mask_tokens(input_ids, special_tokens_mask, mask_token_id, vocab_size, mask_rate=0.15,
                only_mask=False, generator=None):
    special = special_tokens_mask.bool()
    draw = torch.rand(input_ids.shape, generator=generator)
    chosen = (draw < mask_rate) & ~special
    labels = input_ids.clone()
    labels[~chosen] = -100
    corrupted = input_ids.clone()
    if only_mask:
        corrupted[chosen] = mask_token_id
        return corrupted, labels
    fate = torch.rand(input_ids.shape, generator=generator)
    words = torch.randint(0, vocab_size, input_ids.shape, generator=generator)
    while (words == mask_token_id).any():
        again = torch.randint(0, vocab_size, input_ids.shape, generator=generator)
        words = torch.where(words == mask_token_id, again, words)
    corrupted[chosen & (fate < 0.8)] = mask_token_id
    random = chosen & (fate >= 0.8) & (fate < 0.9)
    corrupted[random] = words[random]
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
        fills.append(list(zip(sorted(tokens), values.tolist())))
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
