"""
Does the router help, and what does it cost?
============================================

A router should be evaluated on queries that it has not seen, and compared with what it has to beat:
the best single model, chosen on training queries; the same router trained on shuffled labels, or on
random features; and random routing with matched model shares. This example does so on real outcomes
of six small models on 407 easy questions of 15 kinds. It then plots the score against the cost,
shows what the router saves at the quality of the best single model, and chooses a cost weight that
keeps within a budget.
"""

import matplotlib

if not matplotlib.is_interactive():
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline

from dars_sklearn import (
    DeferralCurveDisplay,
    DistributionalRouter,
    QueryEncoder,
    evaluate_router,
    single_shot_counterpart,
    tune_cost_weight,
)
from dars_sklearn.datasets import load_smol_outcomes
from dars_sklearn.metrics import routed_cost

data = load_smol_outcomes()
pipeline = Pipeline(
    [("encode", QueryEncoder(TfidfVectorizer())), ("route", DistributionalRouter())]
)

# %%
# Known kinds of questions
# ------------------------
# By default, the folds are shuffled. Every kind of question is then in the training data of every
# fold. The report begins with what the router saves: cost weights are chosen on training queries,
# such that the score is within 0, 1 or 2 points of that of the best single model, and the held-out
# queries show what they cost.

report = evaluate_router(pipeline, data.queries, data.outcomes)
print(report)

# %%
# New kinds of questions
# ----------------------
# With one group per kind, each question is of a kind that the router has never seen. On these, the
# router is worse than the best single model, and not better than a router on random features: it
# has learned which model to choose for each kind, and nothing that applies to other kinds.

report_on_new_kinds = evaluate_router(
    pipeline, data.queries, data.outcomes, cv=GroupKFold(5), groups=data.kinds
)
metrics = {
    "gain_over_best_single_model": "best single model",
    "gain_over_shuffled_labels": "shuffled labels",
    "gain_over_random_features": "random features",
    "gain_over_matched_random": "matched random routing",
}
print(f"\n{'gain in utility over':26s}{'known kinds':26s}new kinds")
for metric, baseline in metrics.items():
    gains = [
        "{:+.3f} [{:+.3f}, {:+.3f}]".format(*evaluation.get(metric))
        for evaluation in (report, report_on_new_kinds)
    ]
    print(f"{baseline:26s}{gains[0]:26s}{gains[1]}")

# %%
# Score against cost
# ------------------
# The curve shows the mean score and the mean cost at every cost weight, on the held-out third of
# the queries. These have a second set of outcomes that no label has used. One router is trained on
# labels from 25 outcomes per (query, model) pair, the other on a single one.

train, test = np.flatnonzero(~data.is_test), np.flatnonzero(data.is_test)
train_outcomes = data.outcomes[train]
pipeline.fit(data.queries[train], train_outcomes)
single_shot = single_shot_counterpart(pipeline)
single_shot.fit(data.queries[train], train_outcomes.single_shot(42))
fig, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
for router, name in ((pipeline, "25 outcomes per pair"), (single_shot, "one outcome per pair")):
    DeferralCurveDisplay.from_estimator(
        router, data.queries[test], data.test_outcomes, name=name, ax=ax
    )

# %%
# Cost at the quality of the best single model
# --------------------------------------------
# The figures at the head of the report, on the out-of-fold curve. The dashed lines are the score of
# the best single model less the loss that is allowed.

quality_display = DeferralCurveDisplay.from_cost_at_quality(report.cost_at_quality)
quality_display.figure_.savefig("cost_at_quality.png", dpi=120)
print(f"\n{report.cost_at_quality}")

# %%
# For later use, :func:`~dars_sklearn.tune_cost_weight` chooses such a cost weight on all training
# queries.

choice = tune_cost_weight(pipeline, data.queries[train], train_outcomes, max_loss=0.01)
print(f"\n{choice}")

# %%
# A budget
# --------
# :func:`~dars_sklearn.tune_cost_weight` chooses the cost weight by cross-validation on the training
# queries, such that the expected cost per query is within the budget with a probability of 90 %.
# The held-out queries show whether it is.

budget = 6e-6
choice = tune_cost_weight(pipeline, data.queries[train], train_outcomes, budget=budget)
print(f"\n{choice}")
pipeline.set_params(route__cost_weight=choice.cost_weight)
cost = routed_cost(data.test_outcomes, pipeline.predict(data.queries[test]))
print(f"mean cost on the held-out queries: {cost:.3g}; budget: {budget:.3g}")
ax.axvline(budget, color="0.7", linewidth=1, zorder=0)
ax.annotate("budget", (budget, ax.get_ylim()[0]), xytext=(4, 6), textcoords="offset points")
fig.savefig("deferral_curve.png", dpi=120)
plt.close(fig)
