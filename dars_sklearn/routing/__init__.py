"""Learn which model to send a query to."""

from dars_sklearn.routing._encoder import QueryEncoder
from dars_sklearn.routing._families import list_routers, make_router
from dars_sklearn.routing._router import DistributionalRouter, PredictedCapability

__all__ = [
    "DistributionalRouter",
    "PredictedCapability",
    "QueryEncoder",
    "list_routers",
    "make_router",
]
