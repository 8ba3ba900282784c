"""The reference tagger against seqeval's and scikit-learn's counts, and its checks against answers.

Wrong specimens run in this process, which is fast; a few go through judge and worker.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.metrics import f1_score
from torch import Tensor
from transformers import BertForTokenClassification, BertTokenizer

from course import data
from course.cache import CourseError
from course.checks import tagging_toys as toys
from solutions.tagging import TokenClassifier, align_labels, per_class_f1, read_conll
from tests.harness import caught_by, failed, grade_file, grade_in_process, specimens, suites

WORD = "tagging"
SOLUTION = Path(__file__).parent.parent / "solutions" / "tagging.py"
NAMES = ("read_conll", "align_labels", "TokenClassifier", "per_class_f1")
STUB = "".join(f"def {n}(*args, **kwargs):\n    raise NotImplementedError()\n" for n in NAMES)


pytestmark = pytest.mark.usefixtures("one_thread_with_gradients")


def test_reads_the_sample_as_the_data_package_does() -> None:
    found = read_conll(data.conll_lines("sample"))
    rows = data.load("entities", "sample")
    names = rows.features["ner_tags"].feature.names
    assert [words for words, _ in found] == list(rows["tokens"])
    assert [tags for _, tags in found] == [[names[i] for i in row] for row in rows["ner_tags"]]


def test_reads_all_of_conll_2003() -> None:
    """Figures of table 2 of the shared task's paper: sentences and tokens of the English data."""
    try:
        found = {split: read_conll(data.conll_lines(split)) for split in ("train", "dev", "test")}
    except CourseError as error:
        pytest.skip(str(error))
    # The paper counts a -DOCSTART- line as a sentence of one token: 946, 216 and 231 of them.
    for split, sentences, tokens, documents in (
        ("train", 14_987, 204_567, 946),
        ("dev", 3_466, 51_578, 216),
        ("test", 3_684, 46_666, 231),
    ):
        assert len(found[split]) == sentences - documents
        assert sum(len(words) for words, _ in found[split]) == tokens - documents


def test_quotes_tabs_and_line_ends_of_windows() -> None:
    lines = ['" " O O', "Yes NN O B-PER\r\n", "", "\t", '"\t"\tO\tO']
    assert read_conll(iter(lines)) == [(['"', "Yes"], ["O", "B-PER"]), (['"'], ["O"])]


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "part.conll"
    path.write_text("-DOCSTART- O\n\nAda B-PER\nleft\n")
    with pytest.raises(ValueError, match=r"^line 4: 'left' is one column"):
        read_conll(path.read_text().splitlines())
    with path.open() as file, pytest.raises(ValueError, match=r"part\.conll, line 4: 'left'"):
        read_conll(file)
    with pytest.raises(TypeError, match=r"pass text\.splitlines\(\)"):
        read_conll("Ada B-PER\n")


def test_nothing_to_read() -> None:
    assert read_conll([]) == [] and read_conll(["", "-DOCSTART- O", " "]) == []


def piece_tokenizer() -> BertTokenizer:
    """A WordPiece tokenizer that cuts ``abcd`` into four pieces and drops control characters."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcd", *(f"##{x}" for x in "abcd")]
    return BertTokenizer(vocab={token: place for place, token in enumerate(tokens)})


@pytest.mark.parametrize("every", [False, True])
def test_aligns_what_a_fast_tokenizer_gives(every: bool) -> None:
    tokenizer, rng = piece_tokenizer(), random.Random(4)
    for _ in range(20):
        words = ["".join(rng.choices("abcd", k=rng.randint(1, 4))) for _ in range(6)]
        words[rng.randrange(6)] = "\u200b"  # a word without any token
        labels = [rng.randrange(9) for _ in words]
        encoded = tokenizer(words, is_split_into_words=True, padding="max_length", max_length=40)
        found = align_labels(labels, encoded.word_ids(), every)
        assert found == toys.aligned(labels, encoded.word_ids(), every)
        assert len(found) == 40


def test_a_word_without_a_label_is_refused() -> None:
    with pytest.raises(ValueError, match="belongs to word 2, but there are 2 labels"):
        align_labels([1, 2], [None, 0, 1, 2, None])


def test_logits_equal_those_of_transformers() -> None:
    torch.manual_seed(1)
    theirs = BertForTokenClassification(toys.config_of(20, 8, 2))
    theirs.config.num_labels = 2
    ours = TokenClassifier(theirs.bert, 2).eval()
    ours.head.load_state_dict(theirs.classifier.state_dict())
    ids = torch.randint(1, 20, (3, 7))
    mask = (torch.arange(7) < torch.tensor([[7], [4], [1]])).long()
    wanted = theirs.eval()(ids, attention_mask=mask).logits
    torch.testing.assert_close(ours(ids, mask), wanted)
    torch.testing.assert_close(ours(ids, mask.bool())[mask == 1], wanted[mask == 1])
    torch.testing.assert_close(ours(ids[:1]), ours(ids[:1], mask[:1]))


def test_the_classifier_refuses_bad_batches() -> None:
    with pytest.raises(ValueError, match="num_labels must be 1 or more, but it is 0"):
        TokenClassifier(toys.bert(1), 0)
    model = TokenClassifier(toys.bert(1), 3)
    ids = torch.ones(2, 5, dtype=torch.int64)
    mask = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 0, 0, 0]])
    with pytest.raises(ValueError, match="row 1 of the attention mask is all zeros"):
        model(ids, mask)
    with pytest.raises(ValueError, match="60 tokens long, but the encoder has 48 positions"):
        model(torch.ones(1, 60, dtype=torch.int64))


def scores(predictions: Tensor, labels: Tensor, classes: int) -> list[float]:
    """scikit-learn's F1 of each class, over the labels that are not -100."""
    keep = labels != -100
    true, predicted = labels[keep].numpy(), predictions[keep].numpy()
    every = list(range(classes))
    return f1_score(true, predicted, labels=every, average=None, zero_division=0).tolist()


@pytest.mark.parametrize(("rows", "length", "classes"), [(1, 2, 1), (3, 7, 4), (16, 40, 9)])
def test_f1_equals_scikit_learn(rows: int, length: int, classes: int) -> None:
    generator = torch.Generator().manual_seed(rows)
    for ignored in (0.0, 0.4):
        labels = torch.randint(0, classes, (rows, length), generator=generator)
        predictions = torch.randint(0, max(classes - 1, 1), labels.shape, generator=generator)
        out = torch.rand(labels.shape, generator=generator) < ignored
        labels[out], predictions[out] = -100, 77
        if bool(out.all()):
            continue
        wanted = scores(predictions, labels, classes)
        assert per_class_f1(predictions, labels, classes) == pytest.approx(wanted, abs=1e-12)
        flat = per_class_f1(predictions.flatten().tolist(), labels.flatten().tolist(), classes)  # type: ignore[arg-type]
        assert flat == pytest.approx(wanted, abs=1e-12)


def test_f1_of_nothing_is_zero() -> None:
    empty = torch.full((2, 3), -100)
    assert per_class_f1(empty + 200, empty, 3) == [0.0] * 3
    assert per_class_f1(torch.zeros(0), torch.zeros(0), 2) == [0.0] * 2


def test_f1_refuses_bad_input() -> None:
    labels = torch.tensor([[0, 1, -100]])
    with pytest.raises(ValueError, match=r"predictions \(1, 2\) and labels \(1, 3\)"):
        per_class_f1(labels[:, :2], labels, 2)
    for logits in (torch.zeros(1, 3), torch.zeros(1, 3, 2)):
        with pytest.raises(TypeError, match=r"take logits\.argmax\(-1\)"):
            per_class_f1(logits, labels, 2)
    with pytest.raises(ValueError, match="a prediction is 5, but classes go from 0 to 1"):
        per_class_f1(torch.tensor([[5, 0, 9]]), labels, 2)
    with pytest.raises(ValueError, match="a label is 1, but classes go from 0 to 0"):
        per_class_f1(torch.zeros(1, 3, dtype=torch.int64), labels, 1)


@pytest.mark.parametrize("path", specimens(WORD, "wrong"), ids=lambda p: p.stem)
def test_wrong_specimens_lose_the_points_of_their_check(path: Path) -> None:
    messages = failed(grade_in_process(WORD, path))
    assert caught_by(path) in messages, f"survives; fails only {sorted(messages)}"
    assert len(messages[caught_by(path)]) < 500
    print(f"  {path.stem:<40} {', '.join(n + '*' * (n == caught_by(path)) for n in messages)}")


@pytest.mark.parametrize("path", [SOLUTION, *specimens(WORD, "right")], ids=lambda p: p.stem)
def test_right_answers_get_full_marks(path: Path) -> None:
    assert failed(grade_in_process(WORD, path)) == {}


CROSSING = ("read_generator", "align_tensor", "model_no_grad", "f1_absent_is_nan")


@pytest.mark.parametrize("name", CROSSING)
def test_judge_and_worker_see_the_same(name: str) -> None:
    path = next(p for p in specimens(WORD, "wrong") if p.stem == name)
    assert caught_by(path) in failed(grade_file(WORD, path))


def test_the_solution_gets_full_marks_from_the_judge() -> None:
    assert failed(grade_file(WORD, SOLUTION)) == {}


def test_the_stub_passes_nothing(tmp_path: Path) -> None:
    (tmp_path / "stub.py").write_text(STUB)
    results: list[Any] = grade_in_process(WORD, tmp_path / "stub.py")
    assert sum(r.points for r in results) == 0
    assert all("is not written yet" in str(r.message) for r in results)


def test_every_check_has_a_specimen() -> None:
    wanted = {check.name for suite in suites(WORD) for check in suite.checks}
    assert wanted == {caught_by(path) for path in specimens(WORD, "wrong")}
