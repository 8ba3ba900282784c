# right: sums as a column, ends looked up in the ids, a full sort instead of topk
import torch


def init_beams(input_ids, num_beams):
    ids = input_ids.clone().repeat(num_beams, 1).to(torch.int64)
    scores = torch.zeros(num_beams)
    scores[torch.arange(num_beams) != 0] = -1e9
    return ids, scores


class _Eval:
    def __init__(self, model):
        self.model, self.mode = model, model.training

    def __enter__(self):
        self.model.eval()
        self.guard = torch.no_grad()
        self.guard.__enter__()

    def __exit__(self, *error):
        self.guard.__exit__(*error)
        self.model.train(self.mode)


def beam_search(model, input_ids, num_beams=5, max_new_tokens=10, processors=(), eos_token_id=None):
    ids, total = init_beams(input_ids, num_beams)
    total = total.unsqueeze(1)
    length = input_ids.size(1)
    steps = []
    with _Eval(model):
        while ids.size(1) < length + max_new_tokens:
            new = ids[:, length:]
            over = (
                (new == eos_token_id).any(1)
                if eos_token_id is not None
                else new.new_zeros(len(ids)).bool()
            )
            if len(over) and over.all():
                break
            output = model(ids)
            step = (output["logits"] if isinstance(output, dict) else output)[:, -1].log_softmax(-1)
            for rule in processors:
                step = rule(ids, step)
            end = torch.arange(step.size(1)) == (-1 if eos_token_id is None else eos_token_id)
            step = torch.where(over[:, None] & end, torch.zeros(()), step)
            step = torch.where(over[:, None] & ~end, torch.tensor(-1e9), step)
            order = (total + step).flatten().sort(descending=True, stable=True)
            total = order.values[:num_beams].unsqueeze(1)
            row, word = divmod(order.indices[:num_beams].numpy(), step.size(1))
            row, word = torch.from_numpy(row), torch.from_numpy(word)
            steps = [s[row] for s in steps] + [step[row, word]]
            ids = torch.cat([ids[row], word[:, None]], 1)
    return {
        "output_ids": ids,
        "beam_scores": total.squeeze(1),
        "token_scores": torch.stack(steps).T,
    }


class WordBlock:
    def __call__(self, input_ids, scores):
        blocked = scores.new_zeros(scores.shape).scatter_add(
            1, input_ids, scores.new_ones(input_ids.shape)
        )
        result = scores.clone()
        result[blocked > 0] = torch.finfo(scores.dtype).min
        return result


class NGramBlock:
    def __init__(self, n=3):
        self.n = n

    def __call__(self, input_ids, scores):
        n, length = self.n, input_ids.size(1)
        result = scores.clone()
        for i in range(n - 1, length):
            same = (input_ids[:, i - n + 1 : i] == input_ids[:, length - n + 1 :]).all(dim=1)
            for row in range(len(same)):
                if same[row]:
                    result[row, input_ids[row, i]] = -1e9
        return result
