# right: a failing call is tried three times, then the text itself stands
import warnings


def patient(translate, *args):
    for _ in range(2):
        try:
            return translate(*args)
        except Exception as error:
            last = error
    try:
        return translate(*args)
    except Exception as error:
        raise error from last


def back_translate(text, translate, pivots):
    paraphrases, failures = [], []
    for pivot in pivots:
        if pivot == "en":
            continue
        try:
            there = patient(translate, text, "en", pivot)
            paraphrases.append(patient(translate, there, pivot, "en"))
        except Exception as error:
            paraphrases.append(text)
            failures.append(type(error).__name__)
    if failures:
        warnings.warn(f"{len(failures)} round trips failed: {failures}", stacklevel=2)
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
