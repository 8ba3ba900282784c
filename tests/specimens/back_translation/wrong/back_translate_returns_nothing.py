# caught by: no_pivot_no_paraphrase
import re
import uuid


def back_translate(text, translate, pivots):
    return []


def key(text):
    return re.sub(r"\s+", " ", text).strip().upper()


def augment(examples, translate, pivots):
    found = list(examples)
    for pivot in pivots:
        for example in examples:
            for text in back_translate(example["text"], translate, [pivot]):
                if all(key(text) != key(old["text"]) for old in found):
                    entry = dict(example, text=text)
                    entry["id"] = uuid.uuid4().hex
                    found.append(entry)
    return found
