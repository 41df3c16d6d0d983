"""Learn which LLM to send a query to, from distributions of outcomes."""

from dars_sklearn.aggregate import Capability, OutcomeAggregator
from dars_sklearn.collect import OutcomeCollector
from dars_sklearn.encode import QueryEncoder
from dars_sklearn.evaluate import (
    compare_supervision,
    deferral_curve,
    evaluate_router,
    plan_design,
    routing_report,
    tune_cost_weight,
)
from dars_sklearn.families import list_routers, make_router, single_shot_twin
from dars_sklearn.metrics import cross_val_capability, routing_scorer
from dars_sklearn.outcomes import Outcomes
from dars_sklearn.paraphrase import ParaphraseExpander
from dars_sklearn.plotting import (
    CapabilityDisplay,
    DeferralCurveDisplay,
    LabelNoiseDisplay,
    ReliabilityDisplay,
)
from dars_sklearn.router import DistributionalRouter

__all__ = [
    "Capability",
    "CapabilityDisplay",
    "DeferralCurveDisplay",
    "DistributionalRouter",
    "LabelNoiseDisplay",
    "OutcomeAggregator",
    "OutcomeCollector",
    "Outcomes",
    "ParaphraseExpander",
    "QueryEncoder",
    "ReliabilityDisplay",
    "compare_supervision",
    "cross_val_capability",
    "deferral_curve",
    "evaluate_router",
    "list_routers",
    "make_router",
    "plan_design",
    "routing_report",
    "routing_scorer",
    "single_shot_twin",
    "tune_cost_weight",
]
__version__ = "0.1.0"
