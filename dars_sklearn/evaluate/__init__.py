"""Evaluate routers and routes on held-out queries, against baselines and with intervals."""

from dars_sklearn.evaluate._bootstrap import paired_interval
from dars_sklearn.evaluate._compare_supervision import (
    SupervisionComparison,
    compare_supervision,
    single_shot_counterpart,
)
from dars_sklearn.evaluate._cost_at_quality import CostAtQuality, CostWithinLoss
from dars_sklearn.evaluate._cross_val import cross_val_capability
from dars_sklearn.evaluate._deferral_curve import DeferralCurve, deferral_curve
from dars_sklearn.evaluate._design import DesignPlan, plan_design
from dars_sklearn.evaluate._evaluate_router import evaluate_router
from dars_sklearn.evaluate._measure_cost import cost_at_quality
from dars_sklearn.evaluate._report import RoutingReport
from dars_sklearn.evaluate._routing_report import routing_report
from dars_sklearn.evaluate._scorer import routing_scorer
from dars_sklearn.evaluate._tune_cost_weight import CostWeightChoice, tune_cost_weight

__all__ = [
    "CostAtQuality",
    "CostWeightChoice",
    "CostWithinLoss",
    "DeferralCurve",
    "DesignPlan",
    "RoutingReport",
    "SupervisionComparison",
    "compare_supervision",
    "cost_at_quality",
    "cross_val_capability",
    "deferral_curve",
    "evaluate_router",
    "paired_interval",
    "plan_design",
    "routing_report",
    "routing_scorer",
    "single_shot_counterpart",
    "tune_cost_weight",
]
