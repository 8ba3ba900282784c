# right: one uniform number a token decides choice and fate; random words by modulo
import torch
import torch.nn.functional as F


def mask_tokens(input_ids, special_tokens_mask, mask_token_id, vocab_size, mask_rate=0.15,
                only_mask=False, generator=None):
    u = torch.rand(input_ids.shape, generator=generator)
    u = torch.where(special_tokens_mask != 0, torch.tensor(2.0), u)
    labels = torch.where(u < mask_rate, input_ids, torch.tensor(-100))
    if only_mask:
        return torch.where(u < mask_rate, torch.tensor(mask_token_id), input_ids), labels
    out = torch.where(u < 0.8 * mask_rate, torch.tensor(mask_token_id), input_ids)
    lo, hi = (mask_token_id + 1, mask_token_id + vocab_size) if mask_token_id < vocab_size else (0, vocab_size)
    words = torch.randint(lo, hi, input_ids.shape, generator=generator) % vocab_size
    return torch.where((u >= 0.8 * mask_rate) & (u < 0.9 * mask_rate), words, out), labels


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
    noise = torch.rand(probabilities.shape, generator=generator)
    drawn = (probabilities.log() - (-noise.log()).log()).argmax(dim=-1)
    filled = input_ids[0].clone()
    filled[places] = drawn
    return tokenizer.decode(filled, skip_special_tokens=True)
