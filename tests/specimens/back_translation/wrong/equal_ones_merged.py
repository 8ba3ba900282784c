# caught by: equal_paraphrases_stay


def back_translate(text, translate, pivots):
    paraphrases = []
    for pivot in pivots:
        if pivot == "en":
            continue
        foreign = translate(text, "en", pivot)
        paraphrases.append(translate(foreign, pivot, "en"))
    return list(dict.fromkeys(paraphrases))


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
