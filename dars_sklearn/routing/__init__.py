"""Learn which model to send a query to."""

from dars_sklearn.routing._encoder import QueryEncoder
from dars_sklearn.routing._explain import explain_routes
from dars_sklearn.routing._families import list_routers, make_router
from dars_sklearn.routing._predicted_capability import PredictedCapability
from dars_sklearn.routing._router import DistributionalRouter

__all__ = [
    "DistributionalRouter",
    "PredictedCapability",
    "QueryEncoder",
    "explain_routes",
    "list_routers",
    "make_router",
]
