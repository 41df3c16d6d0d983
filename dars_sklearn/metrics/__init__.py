"""Metrics of routing, computed from outcomes and routes."""

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
)
from dars_sklearn.metrics._oracle import oracle_label, oracle_utility
from dars_sklearn.metrics._routed import (
    instability,
    routed_cost,
    routed_regret,
    routed_score,
    routed_utility,
)

__all__ = [
    "aiq",
    "apgr",
    "best_single_model",
    "call_performance_threshold",
    "cheapest_model",
    "cost_hull",
    "instability",
    "oracle_label",
    "oracle_utility",
    "performance_gap_recovered",
    "random_utility",
    "routed_cost",
    "routed_regret",
    "routed_score",
    "routed_utility",
    "routing_collapse_index",
    "supervision_break_even",
    "supervision_cost_ratio",
]
