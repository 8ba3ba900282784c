# right: ids made of the original's id and the pivot


def back_translate(text, translate, pivots):
    paraphrases = []
    for pivot in pivots:
        if pivot == "en":
            continue
        foreign = translate(text, "en", pivot)
        paraphrases.append(translate(foreign, pivot, "en"))
    return paraphrases


def augment(examples, translate, pivots):
    result = [{"id": e["id"], "text": e["text"], "label": e["label"]} for e in examples]
    seen = set(" ".join(e["text"].lower().split()) for e in examples)
    for example in examples:
        for pivot in pivots:
            for text in back_translate(example["text"], translate, [pivot]):
                normal = " ".join(text.lower().split())
                if normal not in seen:
                    seen.add(normal)
                    new_id = f"{example['id']}_{pivot}"
                    while new_id in [entry["id"] for entry in result]:
                        new_id += "_"
                    result.append({"id": new_id, "text": text, "label": example["label"]})
    return result
