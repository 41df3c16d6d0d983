"""How often public calls summarise a table of outcomes, and how long they take.

    python benchmarks/passes.py

Labels, reports and comparisons are computed from the mean score, mean cost and spread of each
(query, model) pair, for which one summary of all outcomes is enough. Printed are the number of
summaries, as the total number of outcomes summarised relative to the number in the data, and the
time of the fastest of three calls. The data are 2,000 queries x 6 models x 5 paraphrases x 5
samples, and the same without a fifth of the outcomes. Calls that need test queries use one half of
the queries for training and the other half for the test. Every call gets new outcomes, because
outcomes keep their statistics. The seed is 0. The output is a Markdown table.

To compare with an older checkout of the package, set PYTHONPATH to it. The layout in which
``dars_sklearn.outcomes`` was a module is supported, too.
"""

import numpy as np
from _timing import shortest_time

from dars_sklearn import (
    DistributionalRouter,
    OutcomeAggregator,
    Outcomes,
    compare_supervision,
    evaluate_router,
    routing_report,
)
from dars_sklearn.datasets import make_routing_outcomes

try:
    import dars_sklearn.outcomes._outcomes as caller

    SUMMARY_FUNCTION = "summarise_pairs"
except ImportError:  # the older layout
    import dars_sklearn.aggregate as caller

    SUMMARY_FUNCTION = "summarise"

N_QUERIES, N_MODELS = 2000, 6
TRAIN, TEST = slice(0, N_QUERIES // 2), slice(N_QUERIES // 2, N_QUERIES)


class SummaryCounter:
    """Replaces the function that summarises outcomes, and counts the outcomes that it gets."""

    def __init__(self):
        self.summarise = getattr(caller, SUMMARY_FUNCTION)
        self.n_outcomes = 0

    def __call__(self, outcomes, *args, **kwargs):
        # The older function takes the scores in place of the outcomes.
        self.n_outcomes += len(getattr(outcomes, "score", outcomes))
        return self.summarise(outcomes, *args, **kwargs)

    def __enter__(self):
        setattr(caller, SUMMARY_FUNCTION, self)
        return self

    def __exit__(self, *exception):
        setattr(caller, SUMMARY_FUNCTION, self.summarise)


def public_calls(X):
    """Return functions of outcomes, by a description of what they call."""
    return {
        "`DistributionalRouter.fit`": lambda outcomes: DistributionalRouter().fit(X, outcomes),
        "`routing_report(train=)`": lambda outcomes: routing_report(
            outcomes[TEST], np.resize(outcomes.models, N_QUERIES // 2), train=outcomes[TRAIN]
        ),
        "`evaluate_router`, 5 folds": lambda outcomes: evaluate_router(
            DistributionalRouter(), X, outcomes, cv=5
        ),
        "`OutcomeAggregator.fit_transform`": lambda outcomes: OutcomeAggregator().fit_transform(
            outcomes
        ),
        "`compare_supervision`, 10 draws": lambda outcomes: compare_supervision(
            DistributionalRouter(), X[TRAIN], outcomes[TRAIN],
            X_test=X[TEST], outcomes_test=outcomes[TEST], n_draws=10, verbose=False,
        ),
    }  # fmt: skip


def make_tables():
    """Return the features of the queries, and functions that create their outcomes, by name."""
    data = make_routing_outcomes(N_QUERIES, N_MODELS, 5, 5, random_state=0)
    scores, costs = data.outcomes.to_array(), data.outcomes.to_array("cost")
    dropped = np.random.default_rng(0).random(scores.shape) < 0.2
    dropped[..., 0, 0] = False  # every (query, model) pair keeps an outcome
    tables = {
        "full grid": lambda: Outcomes.from_array(scores, costs=costs),
        "ragged": lambda: Outcomes.from_array(np.where(dropped, np.nan, scores), costs=costs),
    }
    return data.X, tables


def main():
    """Print the table."""
    X, tables = make_tables()
    print("| call | outcomes | summaries of all outcomes | seconds |\n| --- | --- | --- | --- |")
    for description, call in public_calls(X).items():
        for name, make_outcomes in tables.items():
            with SummaryCounter() as counter:
                outcomes = make_outcomes()
                call(outcomes)
            n_summaries = counter.n_outcomes / len(outcomes.score)
            seconds = shortest_time(call, make_argument=make_outcomes)
            print(f"| {description} | {name} | {n_summaries:.2f} | {seconds:.3f} |", flush=True)


if __name__ == "__main__":
    main()
