"""
More queries, more wordings, or more samples?
=============================================

With a pilot in hand, the next money can buy queries, wordings of them, or
samples. Designs of the same price are compared by the router that each one
trains. The pilot is the bundled data: 407 questions, five wordings, five samples
of six small models.
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
# In units of one sample from each model. First, queries are free and only samples
# are paid; then a query costs twenty samples, since somebody writes its
# reference, and a wording costs one.

scenarios = {
    "samples only": (280, {"sample": 1.0}),
    "a query costs 20": (3000, {"query": 20.0, "paraphrase": 1.0, "sample": 1.0}),
}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", sharex=True)
for ax, (name, (budget, prices)) in zip(axes, scenarios.items(), strict=True):
    plan = plan_design(data.outcomes, data.queries, pipeline, budget, prices, n_repeats=40)
    print(f"\n{name}\n{plan}")
    table = plan.to_frame().dropna().iloc[::-1]
    place = np.arange(len(table))
    error = [table["utility"] - table["low"], table["high"] - table["utility"]]
    ax.errorbar(table["utility"], place, xerr=error, fmt="o", color="0.2", capsize=3)
    ax.set_yticks(
        place,
        [
            f"{row.n_queries:.0f} x {row.n_paraphrases} x {row.n_samples}"
            for row in table.itertuples()
        ],
    )
    ax.set(title=f"{name}, budget {budget}", xlabel="utility of the router")
axes[0].set_ylabel("queries x paraphrases x samples")
fig.savefig("design.png", dpi=120)
plt.close(fig)
