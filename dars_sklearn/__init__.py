"""Learn which LLM to send a query to, from distributions of outcomes."""

from dars_sklearn.collect import OutcomeCollector, ParaphraseExpander
from dars_sklearn.evaluate import (
    compare_supervision,
    cost_at_quality,
    cross_val_capability,
    deferral_curve,
    evaluate_router,
    plan_design,
    routing_report,
    routing_scorer,
    single_shot_counterpart,
    tune_cost_weight,
)
from dars_sklearn.labels import Capability, OutcomeAggregator
from dars_sklearn.outcomes import Outcomes
from dars_sklearn.plotting import (
    CapabilityDisplay,
    DeferralCurveDisplay,
    LabelNoiseDisplay,
    ReliabilityDisplay,
)
from dars_sklearn.routing import (
    DistributionalRouter,
    QueryEncoder,
    explain_routes,
    list_routers,
    make_router,
)

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
    "cost_at_quality",
    "cross_val_capability",
    "deferral_curve",
    "evaluate_router",
    "explain_routes",
    "list_routers",
    "make_router",
    "plan_design",
    "routing_report",
    "routing_scorer",
    "single_shot_counterpart",
    "tune_cost_weight",
]
__version__ = "0.1.0"
