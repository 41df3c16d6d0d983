"""Honest evaluation: paired, on held-out queries, beside what has to be beaten."""

from dars_sklearn.evaluate._bootstrap import paired_interval
from dars_sklearn.evaluate._deferral import (
    CostWeightChoice,
    DeferralCurve,
    deferral_curve,
    tune_cost_weight,
)
from dars_sklearn.evaluate._design import DesignPlan, plan_design
from dars_sklearn.evaluate._judge import evaluate_router, routing_report
from dars_sklearn.evaluate._report import RoutingReport
from dars_sklearn.evaluate._supervision import SupervisionComparison, compare_supervision

__all__ = [
    "CostWeightChoice",
    "DeferralCurve",
    "DesignPlan",
    "RoutingReport",
    "SupervisionComparison",
    "compare_supervision",
    "deferral_curve",
    "evaluate_router",
    "paired_interval",
    "plan_design",
    "routing_report",
    "tune_cost_weight",
]
