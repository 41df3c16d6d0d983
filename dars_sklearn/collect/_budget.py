"""The budget of a collection: what was spent, and what requests in flight may still cost."""

import math

__all__ = ["Budget"]


class Budget:
    """Keep the cost of a collection within a limit.

    A request is affordable if its maximum cost fits into the limit together with what was
    spent and with the maximum cost of all requests in flight.

    Parameters
    ----------
    models : dict of str to callable
        The backend of each model. If there is a limit, each needs a method
        ``highest_price(prompt, n)``.
    max_cost : float or None
        The limit in the user's unit, None for no limit.
    spent : float, default=0.0
        What was spent before.

    Attributes
    ----------
    spent : float
        What was spent so far.
    """

    def __init__(self, models, max_cost, spent=0.0):
        self._models = models
        self._max_cost = math.inf if max_cost is None else max_cost
        self._reserved = {}  # maximum cost of each request in flight
        self.spent = spent

    def is_affordable(self, request):
        """Return whether a request fits into the budget now.

        Parameters
        ----------
        request : Request
            A request that is not in flight.

        Returns
        -------
        bool
            Whether its maximum cost can be reserved.
        """
        total = self.spent + sum(self._reserved.values()) + self._highest_price(request)
        return total <= self._max_cost

    def reserve(self, request):
        """Reserve the maximum cost of a request that is about to be sent.

        Parameters
        ----------
        request : Request
            The request.
        """
        self._reserved[request] = self._highest_price(request)

    def settle(self, request, spent):
        """Replace what was reserved for a request by what was spent on it.

        Parameters
        ----------
        request : Request
            A request that is no longer in flight.
        spent : float
            What was spent in the user's unit. If it is NaN, the maximum cost of the request
            counts as spent.
        """
        reserved = self._reserved.pop(request)
        self.spent += reserved if math.isnan(spent) else spent

    def _highest_price(self, request):
        if self._max_cost == math.inf:
            return 0.0
        return self._models[request.model].highest_price(request.prompt, request.n)
