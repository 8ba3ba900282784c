# right: topk in each row first, then over the rows' best; sums are kept and differences taken
import torch


def init_beams(input_ids, num_beams):
    start = torch.full((num_beams,), -1e9).scatter(0, torch.tensor([0]), 0.0)
    return input_ids[0].repeat(num_beams, 1), start


def beam_search(model, input_ids, num_beams=5, max_new_tokens=10, processors=(), eos_token_id=None):
    was = model.training
    model.eval()
    ids, sums = init_beams(input_ids, num_beams)
    tokens = torch.zeros(num_beams, 0)
    finished = [False] * num_beams
    for _ in range(max_new_tokens):
        with torch.no_grad():
            output = model(ids)
        scores = torch.log_softmax(getattr(output, "logits", output)[:, -1], -1)
        for processor in list(processors):
            scores = processor(ids.clone(), scores.clone())
        scores = scores.clone()
        for beam, over in enumerate(finished):
            if over:
                scores[beam] = float("-inf")
                scores[beam, eos_token_id] = 0.0
        width = min(num_beams, scores.size(1))
        best, words = (scores + sums[:, None]).topk(width, dim=1)
        sums, place = best.reshape(-1).topk(num_beams)
        beam = place // width
        word = words.reshape(-1)[place]
        ids = torch.cat((ids[beam], word.view(-1, 1)), dim=-1)
        tokens = torch.cat((tokens[beam], scores[beam, word].view(-1, 1)), dim=-1)
        finished = [
            finished[b] or (eos_token_id is not None and w == eos_token_id)
            for b, w in zip(beam.tolist(), word.tolist(), strict=True)
        ]
        if all(finished):
            break
    if was:
        model.train()
    return {
        "output_ids": ids,
        "beam_scores": tokens.sum(1).where(sums > -1e8, sums),
        "token_scores": tokens,
    }


class WordBlock:
    def __call__(self, input_ids, scores):
        new = scores.detach().clone()
        new[torch.arange(len(new))[:, None], input_ids] = -1e9
        return new


class NGramBlock:
    def __init__(self, n=3):
        self.n = n

    def __call__(self, input_ids, scores):
        text = [" " + " ".join(map(str, row)) + " " for row in input_ids.tolist()]
        new = scores.clone()
        for row, history in enumerate(input_ids.tolist()):
            tail = history[len(history) - self.n + 1 :]
            for token in range(scores.size(-1)):
                gram = " " + " ".join(map(str, [*tail, token])) + " "
                if len(tail) == self.n - 1 and gram in text[row]:
                    new[row, token] = -1e9
        return new
