"""
More queries, more paraphrases, or more samples?
================================================

When a pilot data set is available, the next budget can be spent on more queries, on more
paraphrases of each query, or on more samples of each paraphrase. :func:`~dars_sklearn.plan_design`
compares designs of the same price by the routers that are trained on them. Here, the pilot is the
bundled data: 407 questions, with five paraphrases and five samples of six small models.
"""

import matplotlib

if not matplotlib.is_interactive():
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from dars_sklearn import DistributionalRouter, QueryEncoder, plan_design
from dars_sklearn.datasets import load_smol_outcomes

data = load_smol_outcomes()
pipeline = Pipeline(
    [("encode", QueryEncoder(TfidfVectorizer())), ("route", DistributionalRouter())]
)

# %%
# Two price lists are compared. The unit of price is one sample of every model. With the first list,
# queries and paraphrases are free, and only samples are paid for. With the second one, a query
# costs as much as twenty samples, because somebody has to write its reference answer, and a
# paraphrase costs as much as one sample.

price_lists = {
    "only samples are paid for": (280, {"sample": 1.0}),
    "a query costs 20 samples": (3000, {"query": 20.0, "paraphrase": 1.0, "sample": 1.0}),
}
plans = {}
for name, (budget, prices) in price_lists.items():
    plan = plan_design(data.outcomes, data.queries, pipeline, budget, prices, n_repeats=40)
    print(f"\n{name}\n{plan}")
    plans[name] = plan

# %%
# Where only samples are paid for, one sample of as many queries as possible is the best design.
# Where queries are expensive, it is the worst one, and designs with two or more outcomes per
# (query, model) pair differ by little. Error bars are 95 % intervals over queries and repeats.

fig, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained", sharex=True)
for ax, (name, plan) in zip(axes, plans.items(), strict=True):
    table = plan.to_frame().dropna().iloc[::-1]  # the best design at the top
    labels = [
        f"{row.n_queries:.0f} x {row.n_paraphrases} x {row.n_samples}" for row in table.itertuples()
    ]
    margins = [table["utility"] - table["low"], table["high"] - table["utility"]]
    positions = np.arange(len(table))
    ax.errorbar(table["utility"], positions, xerr=margins, fmt="o", color="0.2", capsize=3)
    ax.set_yticks(positions, labels)
    ax.set(title=f"{name}, budget {plan.budget:.0f}", xlabel="mean utility on held-out queries")
axes[0].set_ylabel("queries x paraphrases x samples")
fig.savefig("design.png", dpi=120)
plt.close(fig)
