# right: comprehensions, keyword arguments, ids from a counter that looks around
from itertools import count


def back_translate(text, translate, pivots):
    return [
        translate(text=translate(text=text, source="en", target=p), source=p, target="en")
        for p in pivots
        if p != "en"
    ]


def augment(examples, translate, pivots):
    texts, ids = ["".join(e["text"].split()).casefold() for e in examples], count()
    taken, extra = {str(e["id"]) for e in examples}, []
    for example in examples:
        for paraphrase in back_translate(example["text"], translate, pivots):
            short = "".join(paraphrase.split()).casefold()
            if short in texts:
                continue
            texts.append(short)
            fresh = next(i for i in ids if f"bt{i}" not in taken)
            extra.append({"label": example["label"], "text": paraphrase, "id": f"bt{fresh}"})
    return [*examples, *extra]
