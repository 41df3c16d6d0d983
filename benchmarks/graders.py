"""How long each grader takes on a response of ten megabytes, whatever it contains.

    python benchmarks/graders.py

Responses of several kinds are graded: ordinary words, and texts that are slow to search with
careless patterns. For each, the time of one grade is printed relative to that of one bare pass
over the same text, ``text.lower().split()``, with the seconds of that pass in the first column. A
grader that reads a bounded part of a response is faster than the pass; one whose time grows faster
than the text would be slower by orders of magnitude. ``LLMJudge`` is measured with a judge that
answers at once, and once more with the text as its verdict; ``find_rewrites`` reads the response of
the model that writes paraphrases. The output is a Markdown table.

``--tiny`` measures ten thousand characters, to see that the script runs. There is nothing random.
"""

import argparse
import warnings

from _timing import shortest_time, time_call

from dars_sklearn.collect._rewrites import find_rewrites
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.grade import (
    Contains,
    ExactMatch,
    JSONField,
    LLMJudge,
    Math,
    MultipleChoice,
    Numeric,
    Regex,
    TokenF1,
)

KINDS = {
    "words": "lorem ipsum dolor ",
    "spaces": " ",
    "blank lines": "\n",
    "digits": "7",
    "grouped digits": "1,234,",
    "fractions": "1/",
    "options": "(A) ",
    "phrases": "answer is (",
    "hyphens": "-",
    "braces": '{"a":',
    "LaTeX": r"\frac{1}{2} ",
    "other scripts": "é٣漢😀 ",
    "control characters": "\x00\x1f",
}
OPTIONS = {"answer": "A", "options": {"A": "cat", "B": "dog"}}


def judge_with(verdict):
    """Return a grader by a judge with always the same verdict."""
    return LLMJudge(lambda prompts, *, n: [[verdict] * n for _ in prompts], "{response}", 1)


def make_graders():
    """Return functions of a response, by their names."""
    return {
        "ExactMatch": lambda text: ExactMatch()(text, "x"),
        "Contains": lambda text: Contains()(text, "x"),
        "Numeric": lambda text: Numeric()(text, 1),
        "MultipleChoice": lambda text: MultipleChoice()(text, OPTIONS),
        "TokenF1": lambda text: TokenF1()(text, "12 foxes"),
        "Regex": lambda text: Regex(r"answer is (\w+)")(text, "x"),
        "JSONField": lambda text: JSONField("b")(text, "x"),
        "Math": lambda text: Math()(text, "12"),
        "LLMJudge": lambda text: judge_with("Score: 5")(text, None),
        "verdict": lambda text: judge_with(text).grade_many(["x"], [None]),
        "find_rewrites": find_rewrites,
    }


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--characters", type=int, default=10_000_000, help="length of a response")
    parser.add_argument("--tiny", action="store_true", help="10,000 characters")
    arguments = parser.parse_args()
    n_characters = 10_000 if arguments.tiny else arguments.characters
    warnings.simplefilter("ignore", CollectionWarning)
    graders = make_graders()
    for name in ("Regex", "Math"):  # they start a process and import a library
        graders[name]("1")
    print(f"| text | seconds of a pass | {' | '.join(graders)} | seconds of the slowest |")
    print(f"| --- {'| --- ' * (len(graders) + 2)}|")
    for kind, unit in KINDS.items():
        text = (unit * (n_characters // len(unit) + 1))[:n_characters]
        seconds = shortest_time(lambda text=text: text.lower().split())
        ratios = [time_call(grade, text).seconds / seconds for grade in graders.values()]
        cells = " | ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"| {kind} | {seconds:.3f} | {cells} | {seconds * max(ratios):.2f} |", flush=True)


if __name__ == "__main__":
    main()
