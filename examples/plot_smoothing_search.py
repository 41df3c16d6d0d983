"""
Label smoothing, by cross-validation or by empirical Bayes
==========================================================

``OutcomeAggregator(smoothing=...)`` shrinks labels towards the mean of their model. The amount can
be chosen by cross-validation, or by ``smoothing="auto"``, which estimates it from the noise in the
labels. Whether smoothing helps depends on the number of outcomes.
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
from dars_sklearn.datasets import load_smol_outcomes
from dars_sklearn.evaluate import paired_interval
from dars_sklearn.exceptions import DarsWarning
from dars_sklearn.metrics import routed_utility
from dars_sklearn.utility import find_cost_range

warnings.simplefilter("ignore", DarsWarning)
data = load_smol_outcomes()
train, test = np.flatnonzero(~data.is_test), np.flatnonzero(data.is_test)
train_outcomes, test_outcomes = data.outcomes[train], data.test_outcomes
cost_range = find_cost_range(train_outcomes)
DESIGNS = {"2 x 1": (2, 1), "5 x 1": (5, 1), "5 x 5": (5, 5)}  # paraphrases x samples

# %%
# Accuracy of the labels
# ----------------------
# Labels of the held-out queries are computed from few outcomes, and compared with the means of a
# second set of outcomes of the same queries. Smoothed labels are closer to these.


def mean_quality(outcomes, smoothing=0.0):
    """Return the label of each (query, model) pair."""
    return OutcomeAggregator(smoothing=smoothing).fit_aggregate(outcomes).quality


target = mean_quality(test_outcomes)
print('squared distance of labels from the second set, with smoothing 0 and "auto"')
for name, design in DESIGNS.items():
    errors = []
    for seed in range(20):
        outcomes = data.outcomes[test].subsample(*design, seed)
        labels = [mean_quality(outcomes, smoothing) for smoothing in (0.0, "auto")]
        errors.append([((label - target) ** 2).mean() for label in labels])
    print(f"  {name}: {np.mean(errors, axis=0).round(4).tolist()}")

# %%
# Utility of the routers
# ----------------------
# Two estimators are trained on such labels: nearest neighbours, which average labels themselves,
# and a tree, whose leaves contain few queries. The grid is searched by cross-validation on the
# training queries alone. The routers that it chooses are then evaluated on the held-out queries.

SMOOTHING = [0.0, 0.5, 1.0, 2.0, 5.0, "auto"]
ESTIMATORS = {
    "kNN": KNeighborsRegressor(16, weights="distance"),
    "tree": DecisionTreeRegressor(min_samples_leaf=3, random_state=0),
}


def search_smoothing(estimator, outcomes):
    """Search the grid on the training queries."""
    router = DistributionalRouter(
        estimator, aggregator=OutcomeAggregator(cost_scaling=cost_range), risk_aversion=0.0
    )
    pipeline = Pipeline([("encode", QueryEncoder(TfidfVectorizer())), ("route", router)])
    grid = {"route__aggregator__smoothing": SMOOTHING}
    folds = KFold(5, shuffle=True, random_state=0)
    return GridSearchCV(pipeline, grid, cv=folds).fit(data.queries[train], outcomes)


def held_out_utility(router):
    """Return the utility on each held-out query."""
    routes = router.predict(data.queries[test])
    return routed_utility(
        test_outcomes, routes, cost_weight=0.05, cost_range=cost_range, average=False
    )


def gains_over_no_smoothing(search, outcomes):
    """Return the gain of the chosen and of the automatic smoothing on each held-out query."""

    def utility_with(smoothing):
        router = clone(search.best_estimator_)
        router.set_params(route__aggregator__smoothing=smoothing)
        return held_out_utility(router.fit(data.queries[train], outcomes))

    without = utility_with(0.0)
    return {"chosen": held_out_utility(search) - without, "auto": utility_with("auto") - without}


def mean_with_interval(gains):
    """Format the mean gain over draws and queries, with its interval over queries."""
    low, high = paired_interval(np.mean(gains, axis=0), random_state=0)
    return f"{np.mean(gains):+.3f} [{low:+.3f}, {high:+.3f}]"


cv_utilities = {}
print(f"cross-validated utility with smoothing {SMOOTHING}; gain over no smoothing when held out")
for estimator_name, estimator in ESTIMATORS.items():
    for design_name, design in DESIGNS.items():
        # Smaller designs are random draws from the full one, so their results are averaged over
        # five draws.
        seeds = [0] if design == (5, 5) else range(5)
        utilities, chosen, gains = [], [], []
        for seed in seeds:
            outcomes = train_outcomes.subsample(*design, seed)
            search = search_smoothing(estimator, outcomes)
            utilities.append(search.cv_results_["mean_test_score"])
            chosen.append(search.best_params_["route__aggregator__smoothing"])
            gains.append(gains_over_no_smoothing(search, outcomes))
        cv_utilities[estimator_name, design_name] = np.mean(utilities, axis=0)
        gain_of_chosen, gain_of_auto = (
            mean_with_interval([gain[name] for gain in gains]) for name in ("chosen", "auto")
        )
        print(
            f"{estimator_name:5s}{design_name}: "
            f"{cv_utilities[estimator_name, design_name].round(3).tolist()} chose {chosen}; "
            f"chosen {gain_of_chosen}, auto {gain_of_auto}"
        )

# %%
# The smoothed labels are more accurate, by far with few outcomes, but the routers that learn from
# them are not better. Neighbours and leaves average over queries, which is a kind of smoothing
# already; and shrinking all labels towards the means of their models narrows the differences by
# which a router chooses. The search chooses what is best by a small margin in cross-validation, and
# this margin does not persist on held-out queries. Smooth labels where single ones are used as they
# are: in sparse and ragged logs, or with estimators that fit them closely.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
styles = {"2 x 1": ("C0", "o", "-"), "5 x 1": ("C1", "s", "--"), "5 x 5": ("C2", "^", ":")}
for ax, estimator_name in zip(axes, ESTIMATORS, strict=True):
    for design_name, (color, marker, linestyle) in styles.items():
        ax.plot(
            cv_utilities[estimator_name, design_name],
            color=color,
            marker=marker,
            linestyle=linestyle,
            label=design_name,
        )
    ax.set(title=estimator_name, xlabel="smoothing")
    ax.set_xticks(range(len(SMOOTHING)), [str(smoothing) for smoothing in SMOOTHING])
axes[0].set_ylabel("cross-validated utility")
axes[0].legend(title="paraphrases x samples", frameon=False)
fig.savefig("smoothing_search.png", dpi=120)
plt.close(fig)
