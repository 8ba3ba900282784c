# caught by: labels_follow_their_text
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
    return []
