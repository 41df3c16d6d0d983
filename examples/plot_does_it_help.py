"""
Does the router help, and what does it cost?
============================================

A router is judged on queries that it has not seen, beside what it has to beat:
the best single model, chosen on training queries; the same router taught with
shuffled labels, or shown random features; a choice by chance with the same
shares. Then its curve of quality against cost, and the weight of cost that keeps
to a budget. Real outcomes of six small models on 407 easy questions of 15 kinds.
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
    single_shot_twin,
    tune_cost_weight,
)
from dars_sklearn.datasets import load_smol_outcomes
from dars_sklearn.metrics import routed_cost

data = load_smol_outcomes()
pipeline = Pipeline(
    [("encode", QueryEncoder(TfidfVectorizer())), ("route", DistributionalRouter())]
)

# %%
# Out of fold, on kinds of questions that the training folds have too.

report = evaluate_router(pipeline, data.queries, data.outcomes)
print(report)

# %%
# Out of fold by kind: each question is of a kind that the router has never seen.
# It does not beat its controls: what it had learnt was the kinds.

folds = list(GroupKFold(5).split(data.queries, groups=data.kinds))
unseen_kinds = evaluate_router(pipeline, data.queries, data.outcomes, cv=folds)
print("\nutility over that of      kinds seen               kinds never seen")
for metric in (
    "over best single model",
    "over shuffled labels",
    "over random features",
    "over same shares",
):
    shown = ["{:+.3f} [{:+.3f}, {:+.3f}]".format(*of.get(metric)) for of in (report, unseen_kinds)]
    print(f"{metric:24s}" + "   ".join(shown))

# %%
# Quality against cost, on the held-out third and its fresh draws, with labels of
# 25 outcomes a pair and of one.

train, test = np.flatnonzero(~data.is_test), np.flatnonzero(data.is_test)
known = data.outcomes[train]
fig, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
pipeline.fit(data.queries[train], known)
DeferralCurveDisplay.from_estimator(
    pipeline, data.queries[test], data.test_outcomes, name="25 outcomes a pair", ax=ax
)
single_shot = single_shot_twin(pipeline).fit(data.queries[train], known.single_shot(42))
DeferralCurveDisplay.from_estimator(
    single_shot, data.queries[test], data.test_outcomes, name="one outcome, one draw", ax=ax
)

# %%
# The dearest that a query may be, in the mean: chosen by cross-validation on the
# training queries, promised at 90 %, tried on the held-out ones.

budget = 6e-6
choice = tune_cost_weight(pipeline, data.queries[train], known, budget=budget)
print(f"\n{choice}")
pipeline.set_params(route__cost_weight=choice.cost_weight)
cost = routed_cost(data.test_outcomes, pipeline.predict(data.queries[test]))
print(f"on the held-out queries: {cost:.3g}, of a budget of {budget:.3g}")
ax.axvline(budget, color="0.5", linewidth=1)
ax.annotate("budget", (budget, ax.get_ylim()[0]), xytext=(4, 6), textcoords="offset points")
fig.savefig("deferral_curve.png", dpi=120)
plt.close(fig)
