"""
Label smoothing, by cross-validation or by empirical Bayes
==========================================================

``OutcomeAggregator(smoothing=...)`` draws labels to their model's mean. How much
is a matter for cross-validation, or for ``"auto"``, which finds it from the noise
in the labels. Is it worth it? That depends on how many outcomes there are.
"""

import warnings

import matplotlib

if not matplotlib.is_interactive():
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeRegressor

from dars_sklearn import DistributionalRouter, OutcomeAggregator, QueryEncoder
from dars_sklearn.aggregate import cost_range
from dars_sklearn.datasets import load_smol_outcomes
from dars_sklearn.evaluate import paired_interval
from dars_sklearn.exceptions import DarsWarning
from dars_sklearn.metrics import routed_utility

data = load_smol_outcomes()
train, test = np.flatnonzero(~data.is_test), np.flatnonzero(data.is_test)
known, unseen = data.outcomes[train], data.test_outcomes
limits = cost_range(known)
scale = {"cost_weight": 0.05, "cost_range": limits}
SMOOTHING = [0.0, 0.5, 1.0, 2.0, 5.0, "auto"]

# %%
# Three designs of the training labels, from few outcomes to all 25; two
# estimators: neighbours average labels themselves, a tree's leaves hold few. The
# grid is searched by cross-validation on the training queries alone, scored by
# the outcomes of those labels; the held-out queries judge what it chose, by draws
# that no label has seen.


def search(estimator, labels):
    """Grid search over smoothing, on training queries."""
    router = DistributionalRouter(
        estimator, aggregator=OutcomeAggregator(cost_scaling=limits), risk_aversion=0.0
    )
    pipeline = Pipeline([("encode", QueryEncoder(TfidfVectorizer())), ("route", router)])
    grid = {"route__aggregator__smoothing": SMOOTHING}
    folds = KFold(5, shuffle=True, random_state=0)
    return GridSearchCV(pipeline, grid, cv=folds).fit(data.queries[train], labels)


def achieved(router):
    """Utility on the held-out queries, by fresh draws."""
    return routed_utility(unseen, router.predict(data.queries[test]), **scale, average=False)


# %%
# First the labels themselves: those of the held-out queries, from few outcomes,
# against fresh draws of the same queries. Drawn to the prior, they are nearer.

warnings.simplefilter("ignore", DarsWarning)
designs = {"2 x 1": (2, 1), "5 x 1": (5, 1), "5 x 5": (5, 5)}
fresh = OutcomeAggregator().fit(unseen).aggregate(unseen).quality
print("squared distance of labels from fresh draws: plain, auto")
for design, (P, K) in designs.items():
    errors = []
    for seed in range(20):
        labels = data.outcomes[test].subsample(P, K, seed)
        found = [
            OutcomeAggregator(smoothing=smoothing).fit(labels).aggregate(labels).quality
            for smoothing in (0.0, "auto")
        ]
        errors.append([((label - fresh) ** 2).mean() for label in found])
    print(f"  {design}: {np.mean(errors, axis=0).round(4).tolist()}")

# %%
# Then the routers that learn from them.

estimators = {
    "kNN": KNeighborsRegressor(16, weights="distance"),
    "tree": DecisionTreeRegressor(min_samples_leaf=3, random_state=0),
}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
styles = {"2 x 1": ("C0", "o", "-"), "5 x 1": ("C1", "s", "--"), "5 x 5": ("C2", "^", ":")}
print(f"cross-validated utility by smoothing {SMOOTHING}; held-out utility less that of none")
for ax, (name, estimator) in zip(axes, estimators.items(), strict=True):
    for design, (P, K) in designs.items():
        # Few outcomes are a lucky draw of the many: five draws, seeds 0 to 4.
        draws = [0] if (P, K) == (5, 5) else range(5)
        searches = [search(estimator, known.subsample(P, K, seed)) for seed in draws]
        scores = np.mean([of.cv_results_["mean_test_score"] for of in searches], axis=0)
        chosen = [of.best_params_["route__aggregator__smoothing"] for of in searches]
        gains = {"chosen": [], "auto": []}
        for seed, of in zip(draws, searches, strict=True):
            labels = known.subsample(P, K, seed)
            other = {
                smoothing: clone(of.best_estimator_)
                .set_params(route__aggregator__smoothing=smoothing)
                .fit(data.queries[train], labels)
                for smoothing in (0.0, "auto")
            }
            plain = achieved(other[0.0])
            gains["chosen"].append(achieved(of) - plain)
            gains["auto"].append(achieved(other["auto"]) - plain)
        shown = []
        for which, gain in gains.items():
            low, high = paired_interval(np.mean(gain, axis=0), random_state=0)
            shown.append(f"{which} {np.mean(gain):+.3f} [{low:+.3f}, {high:+.3f}]")
        print(f"{name:5s}{design}: {scores.round(3).tolist()} chose {chosen}; {', '.join(shown)}")
        colour, marker, dash = styles[design]
        ax.plot(
            range(len(SMOOTHING)), scores, color=colour, marker=marker, linestyle=dash, label=design
        )
    ax.set(title=name, xlabel="smoothing", xticks=range(len(SMOOTHING)))
    ax.set_xticklabels(map(str, SMOOTHING))
axes[0].set_ylabel("cross-validated utility")
axes[0].legend(title="paraphrases x samples", frameon=False)
fig.savefig("smoothing_search.png", dpi=120)
plt.close(fig)

# %%
# What it finds: smoothed labels are nearer to the truth, by far with few
# outcomes, and still the routers are no better for it. Neighbours and leaves
# average over queries, which smooths already; and drawing all labels to their
# models' means narrows the differences that a router chooses by. The search picks
# what is best by a hair in cross-validation, and on held-out queries the hair is
# gone. Smooth where single labels are used as they are: sparse and ragged logs,
# or estimators that fit them closely.
