# caught by: two_beams_mend_greedys_mistake
import torch


def init_beams(input_ids, num_beams):
    ids = input_ids.repeat(num_beams, 1)
    scores = torch.full((num_beams,), -1e9)
    scores[0] = 0.0
    return ids, scores


def beam_search(model, input_ids, num_beams=5, max_new_tokens=10, processors=(), eos_token_id=None):
    training = model.training
    model.eval()
    ids, scores = init_beams(input_ids, num_beams)
    token_scores = torch.zeros(num_beams, 0)
    finished = torch.zeros(num_beams, dtype=torch.bool)
    with torch.no_grad():
        for _ in range(max_new_tokens):
            output = model(ids)
            logits = getattr(output, "logits", output)[:, -1]
            log_p = logits.log_softmax(dim=-1)
            for processor in processors:
                log_p = processor(ids, log_p)
            if eos_token_id is not None:
                log_p = log_p.masked_fill(finished[:, None], float("-inf"))
                log_p[finished, eos_token_id] = 0.0
            vocab = log_p.size(-1)
            total = scores[:, None] + log_p
            scores, best = total.flatten().topk(1)
            scores, best = scores.repeat(num_beams), best.repeat(num_beams)
            beam, token = best // vocab, best % vocab
            ids = torch.cat([ids[beam], token[:, None]], dim=1)
            token_scores = torch.cat([token_scores[beam], log_p[beam, token][:, None]], dim=1)
            finished = finished[beam]
            if eos_token_id is not None:
                finished = finished | (token == eos_token_id)
                if finished.all():
                    break
    model.train(training)
    return {"output_ids": ids, "beam_scores": scores, "token_scores": token_scores}


class WordBlock:
    def __call__(self, input_ids, scores):
        return scores.scatter(1, input_ids, -1e9)


class NGramBlock:
    def __init__(self, n=3):
        self.n = n

    def __call__(self, input_ids, scores):
        scores = scores.clone()
        for row, history in enumerate(input_ids.tolist()):
            last = history[len(history) - self.n + 1 :]
            for start in range(len(history) - self.n + 1):
                if history[start : start + self.n - 1] == last:
                    scores[row, history[start + self.n - 1]] = -1e9
        return scores
