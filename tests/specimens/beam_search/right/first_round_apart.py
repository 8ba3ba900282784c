# right: the first round looks at one row and fills up with copies that score -1e9
import torch
from torch import nn

LOW = -1e9


def init_beams(input_ids, num_beams):
    scores = LOW * (torch.arange(num_beams) > 0).float()
    return input_ids.repeat_interleave(num_beams, dim=0), scores


def _step(model, ids, processors):
    output = model(ids)
    step = nn.functional.log_softmax(getattr(output, "logits", output)[:, -1].float(), dim=1)
    for processor in processors:
        step = processor(ids, step)
    return step


def _first(step, ids, num_beams):
    scores, token = step[0].topk(min(num_beams, step.size(1)))
    missing = num_beams - len(scores)
    scores = torch.cat([scores, torch.full((missing,), LOW)])
    token = torch.cat([token, token[:1].repeat(missing)])
    return scores, torch.zeros_like(token), token


def beam_search(model, input_ids, num_beams=5, max_new_tokens=10, processors=(), eos_token_id=None):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    ids, scores = init_beams(input_ids, num_beams)
    end = -5 if eos_token_id is None else eos_token_id
    running = torch.ones(num_beams, dtype=torch.bool)
    kept = torch.empty(num_beams, 0)
    try:
        with torch.inference_mode():
            for i in range(max_new_tokens):
                step = _step(model, ids, processors)
                if i == 0:
                    scores, beam, token = _first(step, ids, num_beams)
                else:
                    if end >= 0:
                        only = torch.full_like(step, LOW)
                        only[:, end] = 0.0
                        step = torch.where(running[:, None], step, only)
                    scores, best = (scores[:, None] + step).view(-1).topk(num_beams)
                    beam, token = torch.unravel_index(best, step.shape)
                kept = torch.cat([kept[beam], step[beam, token].unsqueeze(1)], 1)
                ids = torch.cat([ids[beam], token.unsqueeze(1)], 1)
                running = running[beam] & (token != end)
                if not running.any():
                    break
    finally:
        for module, mode in modes:
            module.training = mode
    return {"output_ids": ids, "beam_scores": scores, "token_scores": kept}


class WordBlock:
    def __call__(self, input_ids, scores):
        penalty = torch.zeros_like(scores)
        penalty.scatter_(1, input_ids, -1e10)
        return scores + penalty


class NGramBlock(nn.Module):
    def __init__(self, n=3):
        super().__init__()
        self.n = n

    def forward(self, input_ids, scores):
        rows = []
        for ids, row in zip(input_ids, scores, strict=True):
            row = row.clone()
            history = ids.tolist()
            tail = tuple(history[len(history) - (self.n - 1) :]) if self.n > 1 else ()
            table = {}
            for i in range(len(history) - self.n + 1):
                gram = tuple(history[i : i + self.n])
                table.setdefault(gram[:-1], []).append(gram[-1])
            if len(history) >= self.n:
                row[table.get(tail, [])] = -1e9
            rows.append(row)
        return torch.stack(rows)
