# right: only unfinished beams are read; finished ones join the candidates with one way on
import torch


def init_beams(input_ids, num_beams):
    scores = torch.full([num_beams], -1e9, dtype=torch.float64)
    scores[0] = 0
    return torch.tile(input_ids, (num_beams, 1)), scores


def beam_search(model, input_ids, num_beams=5, max_new_tokens=10, processors=(), eos_token_id=None):
    mode = model.training
    model.eval()
    ids, scores = init_beams(input_ids, num_beams)
    parts = torch.zeros(num_beams, 0, dtype=torch.float64)
    done = torch.zeros(num_beams, dtype=torch.bool)
    with torch.no_grad():
        for _ in range(max_new_tokens):
            live = (~done).nonzero().flatten()
            out = model(ids[live])
            out = out.logits if not torch.is_tensor(out) else out
            step = out[:, -1].to(torch.float64)
            step = step - step.logsumexp(dim=-1, keepdim=True)
            for process in processors:
                step = process(ids[live], step)
            vocab = step.size(1)
            dead = done.nonzero().flatten()
            total = torch.cat([(scores[live, None] + step).flatten(), scores[dead]])
            parent = torch.cat([live.repeat_interleave(vocab), dead])
            words = torch.arange(vocab).repeat(len(live))
            ends = torch.full_like(dead, 0 if eos_token_id is None else eos_token_id)
            words = torch.cat([words, ends])
            added = torch.cat([step.flatten(), torch.zeros(len(dead), dtype=torch.float64)])
            order = total.argsort(descending=True)[:num_beams]
            scores = total[order]
            ids = torch.cat([ids[parent[order]], words[order, None]], dim=1)
            parts = torch.cat([parts[parent[order]], added[order, None]], dim=1)
            done = done[parent[order]]
            if eos_token_id is not None:
                done = done | (words[order] == eos_token_id)
            if done.all():
                break
    model.train(mode)
    return {"output_ids": ids, "beam_scores": scores, "token_scores": parts}


class NGramBlock:
    def __init__(self, n=3):
        self.size = n

    def __call__(self, input_ids, scores):
        if input_ids.shape[1] < self.size:
            return scores.clone()
        windows = input_ids.unfold(1, self.size, 1)
        tail = windows[:, -1, 1:].unsqueeze(1)
        hit = (windows[:, :, : self.size - 1] == tail).all(-1)
        banned = torch.zeros_like(scores).index_put(
            (hit.nonzero()[:, 0], windows[..., -1][hit]), torch.tensor(1.0).to(scores)
        )
        return torch.where(banned > 0, torch.full_like(scores, -2e9), scores)


class WordBlock(NGramBlock):
    def __init__(self):
        super().__init__(1)
