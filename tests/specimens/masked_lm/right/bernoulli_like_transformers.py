# right: bernoulli draws as in transformers, words shifted past the mask token, clipping at 0.5, AdamW-agnostic
import torch
import torch.nn.functional as F


def mask_tokens(input_ids, special_tokens_mask, mask_token_id, vocab_size, mask_rate=0.15,
                only_mask=False, generator=None):
    labels = input_ids.clone()
    inputs = input_ids.clone()
    p = torch.full(labels.shape, float(mask_rate)).masked_fill_(special_tokens_mask.bool(), 0.0)
    masked_indices = torch.bernoulli(p, generator=generator).bool()
    labels[~masked_indices] = -100
    share = 1.0 if only_mask else 0.8
    replaced = torch.bernoulli(torch.full(labels.shape, share), generator=generator).bool() & masked_indices
    inputs[replaced] = mask_token_id
    randomised = (torch.bernoulli(torch.full(labels.shape, 0.5), generator=generator).bool()
                  & masked_indices & ~replaced)
    if mask_token_id < vocab_size:
        words = torch.randint(vocab_size - 1, labels.shape, generator=generator)
        words[words >= mask_token_id] += 1
    else:
        words = torch.randint(vocab_size, labels.shape, generator=generator)
    inputs[randomised] = words[randomised]
    return inputs, labels


def masked_lm_loss(logits, labels):
    keep = labels.ne(-100)
    return torch.nn.CrossEntropyLoss()(logits[keep], labels[keep])


def pretraining_step(model, optimizer, input_ids, special_tokens_mask, mask_token_id, vocab_size,
                     attention_mask=None):
    model.train()
    corrupted, labels = mask_tokens(input_ids, special_tokens_mask, mask_token_id, vocab_size)
    output = model(corrupted, attention_mask=attention_mask)
    logits = getattr(output, "logits", output)
    loss = masked_lm_loss(logits, labels)
    model.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
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
