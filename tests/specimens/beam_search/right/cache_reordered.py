# right: uses the KV cache of transformers' models, picked with the beams; others are read anew
import torch


def init_beams(input_ids, num_beams):
    scores = input_ids.new_full((num_beams,), 0, dtype=torch.float)
    scores[1:] -= 1e9
    return input_ids.expand(num_beams, -1).contiguous(), scores


@torch.no_grad()
def beam_search(model, input_ids, num_beams=5, max_new_tokens=10, processors=(), eos_token_id=None):
    mode = model.training
    model.eval()
    cached = hasattr(model, "prepare_inputs_for_generation")
    past = None
    ids, scores = init_beams(input_ids, num_beams)
    history = []
    done = torch.zeros(num_beams, dtype=torch.bool)
    for _ in range(max_new_tokens):
        if cached:
            output = model(
                ids if past is None else ids[:, -1:], past_key_values=past, use_cache=True
            )
            past = output.past_key_values
        else:
            output = model(input_ids=ids, attention_mask=torch.ones_like(ids))
        logits = output.logits if hasattr(output, "logits") else output
        step = logits[:, -1, :].log_softmax(-1)
        for processor in processors:
            step = processor(ids, step)
        if done.any():
            step = step.clone()
            step[done] = float("-inf")
            step[done, eos_token_id] = 0
        flat = (step + scores.unsqueeze(-1)).reshape(-1)
        scores, index = torch.topk(flat, num_beams)
        beam = torch.div(index, step.size(1), rounding_mode="floor")
        token = index - beam * step.size(1)
        history = [column[beam] for column in history] + [step[beam, token]]
        ids = torch.hstack([ids[beam], token.unsqueeze(1)])
        if past is not None:
            past.batch_select_indices(beam)
        if eos_token_id is not None:
            done = done[beam] | token.eq(eos_token_id)
            if bool(done.all()):
                break
    model.train(mode)
    return {"output_ids": ids, "beam_scores": scores, "token_scores": torch.stack(history, dim=1)}


class WordBlock:
    def __call__(self, input_ids, scores):
        vocab = scores.shape[-1]
        seen = torch.nn.functional.one_hot(input_ids, vocab).any(dim=1)
        return scores.masked_fill(seen, -1e9)


class NGramBlock:
    def __init__(self, n: int = 3):
        self.n = n

    def __call__(self, input_ids, scores):
        out = scores.clone()
        length = input_ids.shape[1]
        for start in range(length - self.n + 1):
            same = torch.ones(len(input_ids), dtype=torch.bool)
            for k in range(self.n - 1):
                same &= input_ids[:, start + k] == input_ids[:, length - self.n + 1 + k]
            rows = same.nonzero().flatten()
            out[rows, input_ids[rows, start + self.n - 1]] = float("-inf")
        return out
