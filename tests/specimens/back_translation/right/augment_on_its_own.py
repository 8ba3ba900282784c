# right: augment does not call back_translate, and drops duplicates at the end


def back_translate(text, translate, pivots):
    def there_and_back(pivot):
        return translate(translate(text, "en", pivot), pivot, "en")

    return list(map(there_and_back, [p for p in pivots if p != "en"]))


def augment(examples, translate, pivots):
    candidates = []
    for example in examples:
        for pivot in (p for p in pivots if p != "en"):
            there = translate(example["text"], "en", pivot)
            candidates.append((example, translate(there, pivot, "en")))
    first = {}
    for place, (_, text) in reversed(list(enumerate(candidates))):
        first[" ".join(text.split()).casefold()] = place
    for example in examples:
        first[" ".join(example["text"].split()).casefold()] = None
    kept = [candidates[i] for i in sorted(p for p in first.values() if p is not None)]
    known = {example["id"] for example in examples}
    integers = all(isinstance(i, int) for i in known)
    fresh = max(known) + 1 if integers and known else 0
    longest = max((len(str(i)) for i in known), default=0)
    return [dict(e) for e in examples] + [
        {
            "id": fresh + n if integers else f"{n}".rjust(longest + 1, "0"),
            "text": text,
            "label": e["label"],
        }
        for n, (e, text) in enumerate(kept)
    ]
