# caught by: labels_follow_their_text


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


def augment(examples, translate, pivots):
    result = [dict(example) for example in examples]
    seen = {plain(example["text"]) for example in examples}
    kept = []
    for example in examples:
        for paraphrase in back_translate(example["text"], translate, pivots):
            if plain(paraphrase) not in seen:
                seen.add(plain(paraphrase))
                kept.append(paraphrase)
    each = sum(pivot != "en" for pivot in pivots)
    for place, paraphrase in enumerate(kept):
        label = examples[place // each]["label"]
        result.append({"id": f"new-{place}", "text": paraphrase, "label": label})
    return result
