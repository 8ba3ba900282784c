# right: a heap picks the candidates; model and processors are called for one beam at a time
import heapq
from dataclasses import dataclass, field

import torch


@dataclass
class Beam:
    ids: torch.Tensor
    scores: list = field(default_factory=list)
    done: bool = False

    def total(self):
        return sum(self.scores)


def init_beams(input_ids, num_beams):
    ids = torch.vstack([input_ids for _ in range(num_beams)])
    scores = torch.cat([torch.zeros(1), torch.full((num_beams - 1,), -1e9)])
    return ids, scores


def ways_on(model, beam, processors, eos_token_id):
    if beam.done:
        end = torch.tensor([[eos_token_id]])
        return [Beam(torch.cat([beam.ids, end], 1), [*beam.scores, 0.0], True)]
    with torch.no_grad():
        output = model(beam.ids)
    step = getattr(output, "logits", output)[:, -1].log_softmax(-1)
    for processor in processors:
        step = processor(beam.ids, step)
    return [
        Beam(
            torch.cat([beam.ids, torch.tensor([[token]])], 1),
            [*beam.scores, float(score)],
            token == eos_token_id,
        )
        for token, score in enumerate(step[0])
    ]


def beam_search(model, input_ids, num_beams=5, max_new_tokens=10, processors=(), eos_token_id=None):
    training, beams = model.training, [Beam(input_ids)]
    model.eval()
    step = 0
    while step < max_new_tokens and not all(beam.done for beam in beams):
        candidates = [c for b in beams for c in ways_on(model, b, processors, eos_token_id)]
        beams = heapq.nlargest(num_beams, candidates, key=Beam.total)
        step += 1
    model.train(training)
    return {
        "token_scores": torch.tensor([beam.scores for beam in beams]),
        "output_ids": torch.cat([beam.ids for beam in beams]),
        "beam_scores": torch.tensor([beam.total() for beam in beams]),
    }


class WordBlock:
    def __call__(self, input_ids, scores):
        words = torch.arange(scores.size(-1))
        seen = (input_ids.unsqueeze(-1) == words).any(dim=1)
        return torch.where(seen, torch.tensor(float("-inf"), dtype=scores.dtype), scores)


class NGramBlock:
    def __init__(self, n=3):
        self.n = n

    def __call__(self, input_ids, scores):
        scores = scores.clone()
        for row in range(len(input_ids)):
            text = input_ids[row].tolist()
            tail = text[len(text) - self.n + 1 :]
            for i in range(len(text)):
                if i >= self.n - 1 and text[i - self.n + 1 : i] == tail:
                    scores[row][text[i]] = -1e9
        return scores
