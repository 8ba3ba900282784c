# caught by: ids_are_unique
import re


def back_translate(text, translate, pivots):
    paraphrases = []
    for pivot in pivots:
        if pivot == "en":
            continue
        foreign = translate(text, "en", pivot)
        paraphrases.append(translate(foreign, pivot, "en"))
    return paraphrases


def key(text):
    return re.sub(r"\s+", " ", text).strip().upper()


def augment(examples, translate, pivots):
    return [dict(example) for example in examples]
