"""Compare distribution labels with single-shot labels, over many draws and training seeds."""

from numbers import Integral

import numpy as np
from joblib import delayed
from sklearn.base import clone
from sklearn.utils import get_tags

from dars_sklearn.evaluate._cross_val import run_folds
from dars_sklearn.evaluate._supervision_comparison import (
    SupervisionComparison,
    Training,
    compare_routes,
)
from dars_sklearn.evaluate._test_outcomes import check_test_outcomes
from dars_sklearn.metrics._realised_values import check_missing
from dars_sklearn.outcomes._alignment import check_alignment
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.routing._estimator import with_seed
from dars_sklearn.routing._pipeline import (
    check_is_router,
    final_step,
    find_router_cost_range,
    with_cost_range,
)
from dars_sklearn.utils._validation import check_count
from dars_sklearn.utils._warnings import collect_warnings

__all__ = ["SupervisionComparison", "compare_supervision", "single_shot_counterpart"]


def compare_supervision(
    router,
    X,
    outcomes,
    *,
    X_test,
    outcomes_test,
    n_draws=100,
    n_training_seeds=10,
    calibration=None,
    missing="raise",
    n_jobs=None,
    random_state=42,
    verbose=None,
):
    """Compare distribution labels with single-shot labels, for one router.

    The router is fitted on all outcomes with ``n_training_seeds`` seeds, and its single-shot
    counterpart on ``n_draws`` draws of one outcome per (query, model) pair, each with a training
    seed of its own. Costs are scaled throughout by the fixed range of the router's aggregator, or
    by the range of the training outcomes.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        Not fitted; its ``cost_weight`` is that of all utilities. The training seeds replace the
        ``random_state`` of the router and of all steps and estimators in it.
    X : array-like of shape (n_queries, ...)
        Training queries, or their features.
    outcomes : Outcomes
        Their outcomes.
    X_test : array-like of shape (n_test_queries, ...)
        Queries to route.
    outcomes_test : Outcomes
        Their outcomes.
    n_draws : int, default=100
        Number of single-shot draws.
    n_training_seeds : int, default=10
        Number of seeds with which the router is fitted on the distribution labels. A router
        without calibration of which neither the estimator nor a step has a ``random_state`` is
        fitted once. There are ``n_draws + n_training_seeds`` fits in all. With 1, as in the paper,
        the intervals do not contain the variation over training seeds, and a seed that happens to
        be good looks like a gain.
    calibration : None, "auto", int or splitter, default=None
        The ``calibration`` of the router on both sides, in place of its own. None compares the
        labels without it, as in the paper; ``router.calibration`` keeps the router's own. With
        folds, each fit takes as many more fits of the estimator.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed (query, model) pair without outcomes is an error. With "skip", each
        figure is over the queries that have outcomes of the model in question, which is fair only
        where the choice of models to ask did not depend on the query.
    n_jobs : int or None, default=None
        Number of fits run in parallel.
    random_state : int, default=42
        Seed of the first draw and of its training, and of the first training on distribution
        labels; those of the other draws follow it, as in the paper. The other training seeds of
        distribution labels follow those of the draws, so that the two sides are independent.
    verbose : bool or None, default=None
        Whether to show a progress bar. None shows it where the output is a terminal.

    Returns
    -------
    SupervisionComparison
        Means, spread over draws and over training seeds, and paired intervals over queries, draws
        and training seeds.

    Raises
    ------
    ValueError
        If X or X_test has other queries than its outcomes; if the test outcomes have other models
        or another scale of scores than the training outcomes, or a cost that weighs is unknown;
        or if test queries are routed to models that have no outcomes for them.

    See Also
    --------
    evaluate_router : Evaluates a router against baselines.

    Notes
    -----
    The training set is given: the intervals say what to expect of other test queries, training
    seeds and draws, and not of other training queries.

    References
    ----------
    Section "Evaluation" of arXiv 2606.06924. Owen, "The pigeonhole bootstrap", Annals of Applied
    Statistics 1 (2007), 386-411, on intervals over two crossed factors.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, compare_supervision
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(120, 3, random_state=0)
    >>> comparison = compare_supervision(
    ...     DistributionalRouter(), data.X[:80], data.outcomes[:80],
    ...     X_test=data.X[80:], outcomes_test=data.outcomes[80:], n_draws=10)
    >>> list(comparison.to_frame().columns[:4])
    ['distribution', 'distribution_std', 'single_shot', 'single_shot_std']
    """
    check_is_router(router)
    outcomes, outcomes_test = as_outcomes(outcomes), as_outcomes(outcomes_test)
    check_alignment(X, outcomes)
    check_alignment(X_test, outcomes_test, "X_test")
    if not isinstance(random_state, Integral):
        raise ValueError(
            f"random_state must be an int, the seed of the first draw, got {random_state!r}"
        )
    check_count(n_draws, "n_draws")
    check_count(n_training_seeds, "n_training_seeds")
    check_missing(missing)
    cost_weight = final_step(router).cost_weight
    check_test_outcomes(outcomes_test, outcomes, cost_weight)
    limits = find_router_cost_range(router, outcomes)
    router = with_cost_range(router, limits)
    final_step(router).set_params(calibration=calibration)
    counterpart = single_shot_counterpart(router)
    depends_on_seed = _depends_on_seed(router)
    n_other_seeds = n_training_seeds - 1 if depends_on_seed else 0
    first, after_draws = int(random_state), int(random_state) + n_draws
    routes = _fit_and_route(router, X, outcomes, X_test, first)
    jobs = [
        delayed(_fit_again)(router, X, outcomes, X_test, seed)
        for seed in range(after_draws, after_draws + n_other_seeds)
    ]
    jobs += [
        delayed(_fit_on_draw)(counterpart, X, outcomes, X_test, seed)
        for seed in range(first, after_draws)
    ]
    other_routes = run_folds(jobs, n_jobs, verbose, unit="fits")
    return compare_routes(
        np.array([routes, *other_routes[:n_other_seeds]], dtype=object),
        np.array(other_routes[n_other_seeds:], dtype=object),
        outcomes_test,
        Training(outcomes, cost_weight, limits, outcomes_test.queries, missing, depends_on_seed),
    )


def single_shot_counterpart(router):
    """Create the same router for single-shot supervision.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        A router.

    Returns
    -------
    DistributionalRouter or Pipeline
        A clone without risk aversion, since a single draw shows no risk. Fit it on
        ``outcomes.single_shot(random_state)``.

    References
    ----------
    The single-shot baseline of arXiv 2606.06924.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, single_shot_counterpart
    >>> single_shot_counterpart(DistributionalRouter(risk_aversion=0.3)).risk_aversion
    0.0
    """
    counterpart = clone(router)
    final_step(counterpart).set_params(risk_aversion=0.0)
    return counterpart


def _depends_on_seed(router):
    """Return whether the seed may change what a router learns.

    The router's own ``random_state`` only seeds the estimator in it, and folds if there are any.
    """
    final = final_step(router)
    has_folds = final.calibration is not None or final.label_prior == "features"
    names = [name for name in router.get_params() if name.split("__")[-1] == "random_state"]
    return has_folds or len(names) > 1 or get_tags(final).non_deterministic


def _fit_and_route(router, X, outcomes, X_test, seed):
    """Fit a clone of a router with a training seed, and route the test queries."""
    return with_seed(clone(router), seed).fit(X, outcomes).predict(X_test)


def _fit_again(router, X, outcomes, X_test, seed):
    # The first fit has given its warnings.
    with collect_warnings():
        return _fit_and_route(router, X, outcomes, X_test, seed)


def _fit_on_draw(router, X, outcomes, X_test, seed):
    # It is the point of the comparison that one draw does not identify its noise.
    with collect_warnings():
        return _fit_and_route(router, X, outcomes.single_shot(seed), X_test, seed)
