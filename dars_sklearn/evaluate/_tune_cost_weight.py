"""Choose the cost weight that keeps a budget, a quality, or the quality of one model."""

from dataclasses import dataclass, replace

import pandas as pd
from scipy.stats import norm

from dars_sklearn.evaluate._cost_comparison import EstimateWithInterval, describe_max_loss
from dars_sklearn.evaluate._cost_notes import cost_notes
from dars_sklearn.evaluate._cost_sweep import sweep_cost_weight
from dars_sklearn.evaluate._cost_weight_search import (
    best_scoring_model,
    check_max_loss,
    compare_with_model,
    first_point_within_budget,
    last_point_with_score,
    last_point_within_loss,
)
from dars_sklearn.evaluate._cross_val import make_splits, out_of_fold
from dars_sklearn.evaluate._deferral_curve import (
    DeferralCurve,
    curve_from_sweep,
    realised_with_costs,
)
from dars_sklearn.evaluate._repeated_queries import copies_notes, fold_notes
from dars_sklearn.evaluate._within_loss import predict_lines
from dars_sklearn.metrics._realised_values import check_missing
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.outcomes._query_identities import query_identities
from dars_sklearn.outcomes._validation import plural
from dars_sklearn.routing._pipeline import check_is_router, find_router_cost_range, with_cost_range
from dars_sklearn.utility import answer_value
from dars_sklearn.utils._html import html_table, html_view
from dars_sklearn.utils._validation import check_count, check_level, is_finite_number

__all__ = ["CostWeightChoice", "tune_cost_weight"]


@dataclass(frozen=True)
class CostWeightChoice:
    """A cost weight, and what to expect from it.

    Parameters
    ----------
    cost_weight : float
        The weight; use it as ``router.set_params(cost_weight=choice.cost_weight)``, and fit the
        router on the same outcomes: the weight is one for ``cost_range``.
    cost, score : tuple of float
        Out-of-fold mean cost and mean score per query: estimate, low, high. The cost is in the
        user's unit.
    score_difference : tuple of float
        Out-of-fold mean score less that of the best single model on the same queries, on the unit
        scale of scores: estimate, low, high.
    best_model : object
        The best single model, which has the highest mean score on these outcomes.
    confidence : float
        Probability that the promise is kept, and level of each interval.
    promise : str
        What is promised.
    curve : DeferralCurve
        The out-of-fold curve from which the weight was chosen.
    cost_range : tuple of float
        Costs that are 0 and 1 when scaled: the router's fixed range, or that of the outcomes.
    notes : tuple of str
        What the weight means in the unit of the costs, how many of them are unknown, and on how
        many queries the promise rests, if not on all of them.

    Attributes
    ----------
    answer_value : float
        What a fully right answer is worth with this weight, in the unit of the costs.

    See Also
    --------
    tune_cost_weight : Computes it.
    """

    cost_weight: float
    cost: tuple
    score: tuple
    score_difference: tuple
    best_model: object
    confidence: float
    promise: str
    curve: DeferralCurve
    cost_range: tuple
    notes: tuple

    @property
    def answer_value(self):
        """What a fully right answer is worth with this weight, in the unit of the costs."""
        return answer_value(self.cost_weight, self.cost_range)

    def __repr__(self):
        cost, score = (
            "{:.4g} [{:.4g}, {:.4g}]".format(*values) for values in (self.cost, self.score)
        )
        difference = "{:+.3f} [{:+.3f}, {:+.3f}]".format(*self.score_difference)
        return (
            f"<CostWeightChoice: cost_weight={self.cost_weight:.4g} for {self.promise} at "
            f"{self.confidence:.0%}; cost {cost}, score {score}, {difference} beside the best "
            f"single model ({self.best_model}); {'; '.join(self.notes)}>"
        )

    def _repr_html_(self):
        rows = {
            "cost weight": (self.cost_weight, "", ""),
            "expected cost per query": self.cost,
            "expected score per query": self.score,
            f"score less that of the best single model ({self.best_model})": self.score_difference,
        }
        level = f"{self.confidence:.0%}"
        columns = ["estimate", f"{level} interval from", "to"]
        return html_view(
            f"CostWeightChoice for {self.promise} at {level}",
            html_table(pd.DataFrame.from_dict(rows, orient="index", columns=columns)),
            notes=self.notes,
        )


def tune_cost_weight(
    router,
    X,
    outcomes,
    *,
    budget=None,
    min_score=None,
    max_loss=None,
    confidence=0.9,
    n_queries=None,
    cv=10,
    groups=None,
    missing="raise",
    n_jobs=None,
    random_state=0,
    verbose=None,
):
    """Choose the cost weight that keeps a budget, a quality, or the quality of one model.

    Every query is routed by a router that was not trained on it. With a budget, the chosen weight
    is the lowest one above which the upper confidence limit of the mean cost always stays within
    the budget, which gives the best quality for that budget. With a minimum score, it is the
    highest weight below which the lower confidence limit of the mean score always stays above the
    minimum, which gives the lowest cost for that score. With a maximum loss, it is the highest
    weight below which the lower confidence limit of the difference in mean score to the best
    single model, on the same queries, always stays above minus the loss.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        With a target that does not fix the cost weight at fit time. It is not fitted.
    X : array-like of shape (n_queries, ...)
        Queries, or their features.
    outcomes : Outcomes
        Their outcomes, with costs.
    budget : float or None, default=None
        Highest mean cost per query, in the user's unit.
    min_score : float or None, default=None
        Lowest mean score per query.
    max_loss : float or None, default=None
        Highest loss of mean score relative to the best single model, which is the one with the
        highest mean score on these outcomes. The loss is on the unit scale of scores, on which
        0.01 is one point. Exactly one of ``budget``, ``min_score`` and ``max_loss`` must be
        given.
    confidence : float, default=0.9
        Probability that the promise is kept.
    n_queries : int or None, default=None
        Number of new queries whose mean must keep the promise. None promises it for the expected
        value, the mean of very many queries. The mean of few queries varies, and needs a wider
        margin.
    cv : int, splitter or iterable, default=10
        Folds; every query must be in exactly one test fold. An int shuffles the queries first,
        because queries of one kind often stand together. The more folds,
        the closer their routers are to the router fitted on all queries.
    groups : array-like of shape (n_queries,) or None, default=None
        Groups of queries for the splitter; with an int ``cv``, the queries of one group stay in
        one fold.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed (query, model) pair without outcomes is an error. With "skip", means are
        over the queries that have outcomes of the routed model, which is fair only where the
        choice of models to ask did not depend on the query.
    n_jobs : int or None, default=None
        Number of folds run in parallel.
    random_state : int, RandomState instance or None, default=0
        Seed of the shuffling.
    verbose : bool or None, default=None
        Whether to show a progress bar. None shows it where the output is a terminal.

    Returns
    -------
    CostWeightChoice
        The weight, and the cost and score to expect, with intervals.

    Raises
    ------
    ValueError
        If not exactly one of budget, min_score and max_loss is given; if one of these,
        ``confidence`` or ``n_queries`` is not such a number; if the outcomes have no costs, or
        no cost of some model is known; or if no weight keeps the promise: the budget is below
        the cost of the cheapest routes, the minimum above the score of the best ones, or these
        may lose more than the maximum.

    See Also
    --------
    deferral_curve : Score against cost for all cost weights.
    cost_at_quality : Measures on held-out queries what ``max_loss`` saves.

    Notes
    -----
    Cost weights are tried in order from the safe end, and the search stops at the first one that
    fails, so that no correction for multiple tests is needed (fixed sequence testing). The router
    that is then fitted on all queries differs slightly from those of the folds, which the margin
    does not take into account: of promises at 90 %, from 200 training queries, 88 to 92 % were
    kept on new data (``benchmarks/evaluation.py``). The model that is the best one on these
    outcomes looks a little better than it is, so that ``max_loss`` is on the safe side. An unknown
    cost counts as the mean cost of its model.

    References
    ----------
    Threshold calibration of RouteLLM, arXiv 2406.18665; the sequence of tests: Angelopoulos,
    Bates, Candès, Jordan & Lei, "Learn then test", arXiv 2110.01052.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, tune_cost_weight
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(200, 3, random_state=0)
    >>> choice = tune_cost_weight(DistributionalRouter(), data.X, data.outcomes, budget=4.0)
    >>> choice.cost[2] <= 4.5
    True
    """
    check_is_router(router)
    targets = {"budget": budget, "min_score": min_score, "max_loss": max_loss}
    given = [name for name, target in targets.items() if target is not None]
    if len(given) != 1:
        raise ValueError(
            "give exactly one of budget, min_score and max_loss, got "
            f"{' and '.join(given) if given else 'none of them'}"
        )
    for name, limit in (("budget", budget), ("min_score", min_score)):
        if limit is not None and not is_finite_number(limit):
            raise ValueError(f"{name} must be a finite number, got {limit!r}")
    check_level(confidence, "confidence")
    if n_queries is not None:
        check_count(n_queries, "n_queries")
    check_missing(missing)
    outcomes = as_outcomes(outcomes)
    if max_loss is not None:
        check_max_loss(max_loss, outcomes.score_range)
    realised = realised_with_costs(X, outcomes)
    limits = find_router_cost_range(router, outcomes)
    router = with_cost_range(router, limits)
    splits = make_splits(cv, X, outcomes, groups, random_state)
    lines = out_of_fold(router, X, outcomes, splits, n_jobs, predict_lines, verbose, groups)
    changes = sweep_cost_weight(*lines)
    curve = curve_from_sweep(changes, realised, missing)
    curve = replace(curve, evaluated_on="out-of-fold predictions")
    cost_error = changes.standard_errors(realised.cost, n_queries)
    score_error = changes.standard_errors(realised.score, n_queries)
    best = best_scoring_model(realised)
    best_model = realised.models[best]
    difference, difference_error = compare_with_model(changes, realised, best, n_queries)
    margin = norm.ppf(confidence)
    if budget is not None:
        point = first_point_within_budget(curve.cost, margin * cost_error, budget)
        promise = f"a mean cost of at most {budget:.4g}"
    elif min_score is not None:
        point = last_point_with_score(curve.score, margin * score_error, min_score)
        promise = f"a mean score of at least {min_score:.4g}{_describe_range(outcomes)}"
    else:
        margin = margin * difference_error
        point = last_point_within_loss(difference, margin, max_loss)
        if point is None:
            _raise_loss_is_exceeded(max_loss, difference[0], margin[0], best_model)
        within = describe_max_loss(max_loss, outcomes.score_range)
        promise = f"a mean score within {within} of the best single model ({best_model})"
    half_width = norm.ppf((1 + confidence) / 2)
    identities = query_identities(outcomes, X)
    cost_weight = float(curve.cost_weight[point])
    return CostWeightChoice(
        cost_weight,
        _with_interval(curve.cost[point], half_width * cost_error[point]),
        _with_interval(curve.score[point], half_width * score_error[point]),
        _with_interval(difference[point], half_width * difference_error[point]),
        best_model,
        confidence,
        promise,
        curve,
        limits,
        (
            *cost_notes(outcomes, cost_weight, limits),
            *_skipped_query_notes(int(changes.n_known(realised.score)[point]), len(outcomes)),
            *fold_notes(splits, identities),
            *copies_notes(identities),
        ),
    )


def _describe_range(outcomes):
    """Say from where to where scores are, unless it is from 0 to 1."""
    if outcomes.score_range in (None, (0.0, 1.0)):
        return ""
    return " (scores from {:.4g} to {:.4g})".format(*outcomes.score_range)


def _skipped_query_notes(n_known, n):
    """Say on how many queries a promise rests, if not on all of them."""
    if n_known == n:
        return []
    return [
        f"cost, score and the promise are over the {n_known} of {n} {plural('query', n)} with an "
        "outcome of the routed model, as if they were like the others"
    ]


def _raise_loss_is_exceeded(max_loss, difference, margin, best_model):
    raise ValueError(
        f"max_loss={max_loss!r} cannot be promised: at a cost weight of 0 the routes score "
        f"{difference:+.4g} beside the best single model ({best_model}), and "
        f"{difference - margin:+.4g} with the margin; allow a higher loss, use a lower confidence "
        "or more queries, or use that model without a router"
    )


def _with_interval(value, half_width):
    return EstimateWithInterval(
        *(float(end) for end in (value, value - half_width, value + half_width))
    )
