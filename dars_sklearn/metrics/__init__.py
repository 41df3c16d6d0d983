"""Metrics of routing: outcomes and routes in, a float out."""

from dars_sklearn.metrics._baselines import (
    best_single_model,
    cheapest_model,
    performance_gap_recovered,
    random_utility,
    routing_collapse_index,
    supervision_break_even,
    supervision_cost_ratio,
)
from dars_sklearn.metrics._curves import (
    aiq,
    apgr,
    call_performance_threshold,
    cost_hull,
    quality_neutral_cost,
)
from dars_sklearn.metrics._oracle import oracle_name, oracle_utility
from dars_sklearn.metrics._realised import (
    instability,
    routed_cost,
    routed_regret,
    routed_score,
    routed_utility,
)
from dars_sklearn.metrics._scorer import cross_val_capability, routing_scorer

__all__ = [
    "aiq",
    "apgr",
    "best_single_model",
    "call_performance_threshold",
    "cheapest_model",
    "cost_hull",
    "cross_val_capability",
    "instability",
    "oracle_name",
    "oracle_utility",
    "performance_gap_recovered",
    "quality_neutral_cost",
    "random_utility",
    "routed_cost",
    "routed_regret",
    "routed_score",
    "routed_utility",
    "routing_collapse_index",
    "routing_scorer",
    "supervision_break_even",
    "supervision_cost_ratio",
]
