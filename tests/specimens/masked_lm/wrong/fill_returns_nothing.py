# caught by: pairs_belong_together
import torch


def mask_tokens(
    input_ids,
    special_tokens_mask,
    mask_token_id,
    vocab_size,
    mask_rate=0.15,
    only_mask=False,
    generator=None,
):
    corrupted, labels = input_ids.tolist(), [[-100] * input_ids.size(1) for _ in input_ids]
    special = special_tokens_mask.tolist()
    draws = torch.rand(2, *input_ids.shape, generator=generator).tolist()
    for row, ids in enumerate(input_ids.tolist()):
        for column, token in enumerate(ids):
            if special[row][column] or draws[0][row][column] >= mask_rate:
                continue
            labels[row][column] = token
            fate = draws[1][row][column]
            if only_mask or fate < 0.8:
                corrupted[row][column] = mask_token_id
            elif fate < 0.9:
                word = mask_token_id
                while word == mask_token_id:
                    word = torch.randint(vocab_size, (1,), generator=generator).item()
                corrupted[row][column] = word
    return torch.tensor(corrupted), torch.tensor(labels)


def masked_lm_loss(logits, labels):
    total, count = 0.0, 0
    for row in range(labels.size(0)):
        for column in range(labels.size(1)):
            label = int(labels[row, column])
            if label != -100:
                total = total - (logits[row, column, label] - logits[row, column].logsumexp(dim=0))
                count += 1
    return total / count


def pretraining_step(
    model, optimizer, input_ids, special_tokens_mask, mask_token_id, vocab_size, attention_mask=None
):
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
    return []


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
