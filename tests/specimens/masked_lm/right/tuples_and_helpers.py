# right: helpers shared by fill_mask and sample_mask, tuples instead of lists, probabilities as numbers of numpy
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


class eval_mode:
    def __init__(self, model):
        self.model = model

    def __enter__(self):
        self.modes = [(m, m.training) for m in self.model.modules()]
        self.model.eval()

    def __exit__(self, *_):
        for module, mode in self.modes:
            module.training = mode


def look(model, tokenizer, text):
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    with eval_mode(model), torch.no_grad():
        out = model(input_ids=ids)
    return ids[0], (out.logits if hasattr(out, "logits") else out)[0]


def fill_mask(model, tokenizer, text, k=5):
    ids, logits = look(model, tokenizer, text)
    where = torch.nonzero(ids == tokenizer.mask_token_id, as_tuple=True)[0]
    best = torch.topk(F.softmax(logits[where].double(), dim=-1), k)
    return tuple(
        tuple((t, float(p)) for t, p in zip(tokenizer.convert_ids_to_tokens(i.tolist()), v.numpy()))
        for v, i in zip(best.values, best.indices)
    )


def sample_mask(model, tokenizer, text, temperature=1.0, generator=None):
    ids, logits = look(model, tokenizer, text)
    ids = ids.clone()
    for position in range(len(ids)):
        if ids[position] == tokenizer.mask_token_id:
            weights = (logits[position] / temperature).softmax(0)
            ids[position] = torch.multinomial(weights, 1, generator=generator)[0]
    return tokenizer.decode(ids.tolist(), skip_special_tokens=True)
