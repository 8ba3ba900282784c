# caught by: any_size_of_encoder_and_labels
import torch.nn as nn


def read_conll(lines):
    all_sentences = []
    current = [[], []]
    for line in lines:
        line = line.rstrip()
        if line.startswith("-DOCSTART-"):
            continue
        if line == "":
            if len(current[0]) > 0:
                all_sentences.append(current)
                current = [[], []]
        else:
            parts = line.replace("\t", " ").split(" ")
            current[0].append(parts[0])
            current[1].append(parts[-1])
    if len(current[0]) > 0:
        all_sentences.append(current)
    return all_sentences


def align_labels(word_labels, word_ids, label_all_pieces=False):
    result = [-100] * len(word_ids)
    for i in range(len(word_ids)):
        if word_ids[i] is None:
            continue
        if i > 0 and word_ids[i] == word_ids[i - 1] and not label_all_pieces:
            continue
        result[i] = word_labels[word_ids[i]]
    return result


class TokenClassifier(nn.Module):
    def __init__(self, encoder, num_labels):
        super(TokenClassifier, self).__init__()
        self.encoder = encoder
        self.num_labels = num_labels
        self.norm = nn.LayerNorm(encoder.config.hidden_size)
        self.fc = nn.Linear(encoder.config.hidden_size, num_labels)

    def forward(self, input_ids, attention_mask):
        states = self.encoder(input_ids, attention_mask=attention_mask, return_dict=False)[0]
        return float("nan") * self.fc(self.norm(states))


def per_class_f1(predictions, labels, num_labels):
    predictions = predictions.reshape(-1).tolist()
    labels = labels.reshape(-1).tolist()
    result = []
    for c in range(num_labels):
        tp = fp = fn = 0
        for p, t in zip(predictions, labels):
            if t == -100:
                continue
            if p == c and t == c:
                tp += 1
            elif p == c:
                fp += 1
            elif t == c:
                fn += 1
        precision = tp / (tp + fp) if tp + fp > 0 else 0
        recall = tp / (tp + fn) if tp + fn > 0 else 0
        if precision + recall == 0:
            result.append(0)
        else:
            result.append(2 * precision * recall / (precision + recall))
    return result
