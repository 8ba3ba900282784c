# right: recursion over the pivots, a deep copy of the examples
import copy


def back_translate(text, translate, pivots):
    if len(pivots) == 0:
        return []
    first, rest = pivots[0], pivots[1:]
    tail = back_translate(text, translate, rest)
    if first == "en":
        return tail
    return [translate(translate(text, "en", first), first, "en"), *tail]


def augment(examples, translate, pivots):
    result = copy.deepcopy(examples)
    for example in examples:
        paraphrases = back_translate(example["text"], translate, pivots)
        for k, paraphrase in enumerate(paraphrases, start=1):
            old = [entry["text"].casefold().split() for entry in result]
            if paraphrase.casefold().split() not in old:
                new = copy.deepcopy(example)
                new["id"], new["text"] = f"{example['id']}/back-translated/{k}", paraphrase
                if any(entry["id"] == new["id"] for entry in result):
                    new["id"] += f"/{len(result)}/{len(examples)}"
                result.append(new)
    return result
