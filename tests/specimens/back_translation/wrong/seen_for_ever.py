# caught by: calls_are_independent


def back_translate(text, translate, pivots):
    paraphrases = []
    for pivot in pivots:
        if pivot == "en":
            continue
        foreign = translate(text, "en", pivot)
        paraphrases.append(translate(foreign, pivot, "en"))
    return paraphrases


def plain(text):
    return " ".join(text.lower().split())


SEEN = set()


def augment(examples, translate, pivots):
    result = [dict(example) for example in examples]
    SEEN.update(plain(example["text"]) for example in examples)
    for example in examples:
        for number, paraphrase in enumerate(back_translate(example["text"], translate, pivots)):
            if plain(paraphrase) not in SEEN:
                SEEN.add(plain(paraphrase))
                new_id = f"{example['id']}-{number}"
                result.append({"id": new_id, "text": paraphrase, "label": example["label"]})
    return result
