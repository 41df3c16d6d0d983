"""Why a router chose what it chose."""

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from dars_sklearn.outcomes._alignment import find_texts, has_default_index
from dars_sklearn.routing._available import available_mask
from dars_sklearn.routing._decision import order_models
from dars_sklearn.routing._pipeline import check_is_router, final_step, transform_features
from dars_sklearn.utility import unscale_cost

__all__ = ["explain_routes"]


def explain_routes(router, X, *, available=None):
    """Show for each query what was predicted of each model, and which one is chosen.

    This is how the predictions and the ranks of a router inside a Pipeline are reached.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        Fitted.
    X : array-like of shape (n_queries, ...)
        Queries, or their features.
    available : array-like or set, default=None
        Models that may be chosen, as in ``DistributionalRouter.predict``.

    Returns
    -------
    DataFrame
        One row per (query, model) pair, the best model of each query first. The index has the
        levels "query" and "model"; queries are named by the index of X, by their texts, or by
        their row. The columns are

        - "quality", "cost" and "risk": the predicted capability, with quality and risk in the
          unit of the scores and the cost in the user's unit. Without ``target="capability"``,
          those that the router does not learn are left out;
        - "utility": quality less weighted cost and risk, by which models are ranked; the
          probability of being best with ``target="choice"``, and the value of the decision rule
          of an estimator that has its own;
        - "rank": 1 for the best model that is available;
        - "available": whether the model may be chosen;
        - "route": whether the model is chosen.

    Raises
    ------
    TypeError
        If router is neither a DistributionalRouter nor a Pipeline that ends in one.
    ValueError
        If no model is available for a query.

    See Also
    --------
    DistributionalRouter.predict : The routes only.
    DistributionalRouter.predict_capability : The predictions as arrays.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> from sklearn.pipeline import make_pipeline
    >>> from dars_sklearn import DistributionalRouter, Outcomes, QueryEncoder, explain_routes
    >>> outcomes = Outcomes.from_array(
    ...     [[1, 1], [0, 1]], queries=["Add 2 and 2.", "Prove it."], models=["small", "large"],
    ...     costs=[0.5, 4.0],
    ... )
    >>> router = make_pipeline(
    ...     QueryEncoder(TfidfVectorizer()),
    ...     DistributionalRouter(KNeighborsRegressor(1), calibration=None),  # two queries only
    ... )
    >>> router.fit(outcomes.queries, outcomes)
    Pipeline(...)
    >>> explain_routes(router, ["Prove it."]).loc["Prove it."].reset_index().round(2)
       model  quality  cost  risk  utility  rank  available  route
    0  large      1.0   4.0   0.0     0.95     1       True   True
    1  small      0.0   0.5   0.0     0.00     2       True  False
    """
    check_is_router(router)
    final = final_step(router)
    check_is_fitted(final)
    features = transform_features(router, X)
    utilities = final.decision_function(features)
    n_queries, n_models = utilities.shape
    mask = available_mask(available, final.models_, n_queries, X)
    order = order_models(utilities, mask)
    columns = _predicted_capability(final, features) | {
        "utility": utilities,
        "rank": np.argsort(order, axis=1) + 1,
        "available": np.ones_like(utilities, dtype=bool) if mask is None else mask,
        "route": np.arange(n_models) == order[:, :1],
    }
    index = pd.MultiIndex.from_arrays(
        [_query_names(X, n_queries).repeat(n_models), final.models_[order].ravel()],
        names=["query", "model"],
    )
    return pd.DataFrame(
        {name: np.take_along_axis(table, order, axis=1).ravel() for name, table in columns.items()},
        index=index,
    )


def _predicted_capability(router, features):
    """Return what the router predicts of the models beside their utility."""
    if router.target == "capability":
        capability = router.predict_capability(features)
        return {name: getattr(capability, name) for name in ("quality", "cost", "risk")}
    if router.has_utility_lines:
        scaled_cost = router.utility_lines(features).slope
        cost = unscale_cost(scaled_cost, router.aggregator_.cost_range_)
        return {"cost": np.where(np.isnan(router.aggregator_.prior_cost_), np.nan, cost)}
    return {}


def _query_names(X, n_queries):
    """Return a name for each query: its label, its text or its row."""
    index = getattr(X, "index", None)
    if isinstance(index, pd.Index) and not has_default_index(index):
        return index
    texts = find_texts(X)
    return pd.RangeIndex(n_queries) if texts is None else pd.Index(texts, dtype=object)
