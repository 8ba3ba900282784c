# caught by: order_matters
import torch


def init_beams(input_ids, num_beams):
    ids = torch.cat([input_ids] * num_beams)
    return ids, torch.tensor([0.0] + [-1e9] * (num_beams - 1))


def beam_search(model, input_ids, num_beams=5, max_new_tokens=10, processors=(), eos_token_id=None):
    was_training = model.training
    model.eval()
    prompt = input_ids[0].tolist()
    beams = [(0.0, prompt, [])]
    for _ in range(max_new_tokens):
        candidates = []
        for total, ids, scores in beams:
            if eos_token_id is not None and eos_token_id in ids[len(prompt) :]:
                candidates.append((total, [*ids, eos_token_id], [*scores, 0.0]))
                continue
            row = torch.tensor([ids])
            with torch.no_grad():
                output = model(row)
            logits = output if isinstance(output, torch.Tensor) else output.logits
            step = torch.log_softmax(logits[:, -1].double(), dim=-1)
            for processor in processors:
                step = processor(row, step)
            for token, score in enumerate(step[0].tolist()):
                candidates.append((total + score, [*ids, token], [*scores, score]))
        beams = sorted(candidates, key=lambda c: c[0], reverse=True)[:num_beams]
        if eos_token_id is not None and all(
            eos_token_id in ids[len(prompt) :] for _, ids, _ in beams
        ):
            break
    model.train(was_training)
    return {
        "output_ids": torch.tensor([ids for _, ids, _ in beams]),
        "beam_scores": torch.tensor([total for total, _, _ in beams]),
        "token_scores": torch.tensor([scores for _, _, scores in beams]),
    }


class WordBlock:
    def __call__(self, input_ids, scores):
        result = scores.clone()
        for beam in range(len(input_ids)):
            for token in set(input_ids[beam].tolist()):
                result[beam, token] = float("-inf")
        return result


class NGramBlock:
    def __init__(self, n=3):
        self.n = n

    def __call__(self, input_ids, scores):
        return scores.clone()
