# caught by: only_english_is_skipped


def back_translate(text, translate, pivots):
    paraphrases, pivots = [], list(pivots)
    if "en" in pivots:
        pivots.remove("en")
    for pivot in pivots:
        foreign = translate(text, "en", pivot)
        paraphrases.append(translate(foreign, pivot, "en"))
    return paraphrases


def plain(text):
    return " ".join(text.lower().split())


def augment(examples, translate, pivots):
    result = [dict(example) for example in examples]
    seen = {plain(example["text"]) for example in examples}
    taken = {example["id"] for example in examples}
    for example in examples:
        for paraphrase in back_translate(example["text"], translate, pivots):
            if plain(paraphrase) in seen:
                continue
            seen.add(plain(paraphrase))
            number = 1
            while f"{example['id']}-{number}" in taken:
                number += 1
            new_id = f"{example['id']}-{number}"
            taken.add(new_id)
            result.append({"id": new_id, "text": paraphrase, "label": example["label"]})
    return result
