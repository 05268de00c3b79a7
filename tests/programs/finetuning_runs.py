"""Toy tasks for the programs that fine-tune."""

import json
import pathlib
import random

CHARACTERS = "使用语言模型来预测下一个词的概率我们在学习年今天气很不"
GOOD, BAD = "好", "错"


def sentence(rng: random.Random, length: int = 12) -> list[str]:
    return [rng.choice(CHARACTERS) for _ in range(rng.randint(3, length))]


def reviews(count: int, seed: int) -> list[tuple[str, str]]:
    """Texts and labels: what holds GOOD is 1, what holds BAD is 0."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        text = sentence(rng)
        for _ in range(3):
            text.insert(rng.randint(0, len(text)), (BAD, GOOD)[number % 2])
        found.append(("".join(text), str(number % 2)))
    return found


def chnsenticorp(rows: list[tuple[str, str]]) -> str:
    return "label\ttext_a\n" + "".join(f"{label}\t{text}\n" for text, label in rows)


def entities(count: int, seed: int) -> str:
    """Lines of a character and its tag; 中国 is a LOC, 人民 a PER."""
    rng = random.Random(seed)
    lines: list[str] = []
    for _ in range(count):
        names = [["中 B-LOC", "国 I-LOC"], ["人 B-PER", "民 I-PER"]]
        rng.shuffle(names)
        for name in names:
            lines += [f"{character} O" for character in sentence(rng, 6)] + name
        lines.append("")
    return "\n".join(lines) + "\n"


def questions(count: int, seed: int, impossible: bool = False, answers: bool = True) -> str:
    """SQuAD's JSON; the answer is 中国人民, each third is impossible if asked for."""
    rng = random.Random(seed)
    paragraphs = []
    for number in range(count):
        text = sentence(rng, 40)
        place = rng.randint(0, len(text))
        none = impossible and number % 3 == 0
        if not none:
            text[place:place] = list("中国人民")
        qa: dict[str, object] = {"id": f"问-{seed}-{number}", "question": "我们在学习什么"}
        if answers:
            qa["answers"] = [] if none else [{"text": "中国人民", "answer_start": place}]
        if impossible:
            qa["is_impossible"] = none
        paragraphs.append({"context": "".join(text), "qas": [qa]})
    return json.dumps({"data": [{"title": "a", "paragraphs": paragraphs}]}, ensure_ascii=False)


def weights(checkpoint: pathlib.Path) -> dict[str, bytes]:
    """The bytes of all variables of a checkpoint, the optimizer's too."""
    from bert_wwm.compat import tf

    reader = tf.train.load_checkpoint(str(checkpoint))
    return {name: reader.get_tensor(name).tobytes() for name in reader.get_variable_to_shape_map()}


def scalars(folder: pathlib.Path, name: str) -> list[float]:
    """What TensorBoard shows of a training."""
    from bert_wwm.report.curves import read_scalars

    return [value for _, value in read_scalars(str(folder))[name]]


def choices(count: int, seed: int, answers: bool = True) -> str:
    """C3's JSON; the right choice holds GOOD, the one to three others BAD."""
    rng = random.Random(seed)
    documents = []
    for number in range(count):
        texts = [[*sentence(rng, 6), *BAD * 3] for _ in range(rng.randint(1, 3))]
        place = rng.randint(0, len(texts))
        texts.insert(place, [*sentence(rng, 6), *GOOD * 3])
        found = ["".join(text) for text in texts]
        entry: dict[str, object] = {"question": "什么", "choice": found, "id": number}
        if answers:
            entry["answer"] = found[place]
        documents.append([["".join(sentence(rng))], [entry], f"d-{number}"])
    return json.dumps(documents, ensure_ascii=False)


def scored_pairs(count: int, seed: int) -> str:
    """STS-B's table; a pair with GOOD has a score of 4 or so, one with BAD of 1."""
    rows = [
        f"{number}\t{text}\t今天\t{1 + 3 * int(label) + number % 4 / 4:.3f}"
        for number, (text, label) in enumerate(reviews(count, seed))
    ]
    return "index\tsentence1\tsentence2\tscore\n" + "".join(f"{row}\n" for row in rows)
