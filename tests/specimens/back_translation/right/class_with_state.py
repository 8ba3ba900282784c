# right: a small class collects the entries; ids are pairs


class Collector:
    def __init__(self, examples):
        self.entries = [e.copy() for e in examples]
        self.keys = {self.key(e["text"]) for e in examples}

    @staticmethod
    def key(text):
        return tuple(text.lower().split())

    def add(self, example, pivot, text):
        if self.key(text) not in self.keys:
            self.keys.add(self.key(text))
            new = {"id": (len(self.entries), pivot), "text": text, "label": example["label"]}
            while any(e["id"] == new["id"] for e in self.entries):
                new["id"] = (*new["id"], "again")
            self.entries.append(new | {"pivot": pivot})


def back_translate(text, translate, pivots):
    trips = []
    for pivot in filter(lambda p: p != "en", pivots):
        trips.append(translate(translate(text, "en", pivot), pivot, "en"))
    return tuple(trips)


def augment(examples, translate, pivots):
    collector = Collector(examples)
    languages = [p for p in pivots if p != "en"]
    for example in examples:
        for pivot, text in zip(languages, back_translate(example["text"], translate, languages)):
            collector.add(example, pivot, text)
    return collector.entries
