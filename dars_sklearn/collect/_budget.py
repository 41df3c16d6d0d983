"""The budget of a collection, which all processes that use its store share."""

import math
from collections import Counter

from dars_sklearn.generate import BackendError
from dars_sklearn.utils._validation import is_finite_number

__all__ = ["Budget", "limit_to_text"]

# Sums of prices are not exact.
_TOLERANCE = 1e-9


class Budget:
    """Keep the cost of the requests of a plan within a limit.

    A request is affordable if its highest price fits into the limit together with the ledger of
    the store: what was paid for all requests of the plan, by any process at any time, and the
    highest price of those that are in flight or whose price is unknown.

    The methods belong within a transaction of the store.

    Parameters
    ----------
    store : Store
        The store.
    models : dict of str to callable
        The backend of each model. If there is a limit, each needs a method
        ``highest_price(prompt, n)``.
    plan : Plan
        The requests whose cost counts.
    max_cost : float or None
        The limit in the user's unit, None for no limit.

    Attributes
    ----------
    spent : float
        The cost of all requests of the plan, as far as it is known to this process.
    """

    def __init__(self, store, models, plan, max_cost):
        self._ledger = store.ledger
        self._models = models
        self._plan = plan
        self._request_ids = set(plan.request_ids)
        self._max_cost = math.inf if max_cost is None else max_cost
        self._last_entry = 0
        self._priced = 0.0
        self._unpriced = Counter()  # number of samples of unknown price, by request
        self._unpriced_bound = 0.0  # their highest price
        self._reserved = {}  # highest price of each request that was sent, NaN if unknown
        self._overrun = None
        self.spent = 0.0
        self._follow_ledger()

    def is_affordable(self, request):
        """Return whether a request fits into the budget now.

        Parameters
        ----------
        request : Request
            A request that is not in flight.

        Returns
        -------
        bool
            Whether its highest price can be reserved.

        Raises
        ------
        BackendError
            If its highest price is not known.
        """
        if self._max_cost == math.inf:
            return True
        price = self._bound(request.model, request.prompt, request.n)
        self._follow_ledger()
        return self.spent + price <= self._max_cost * (1 + _TOLERANCE)

    def limit_for(self, requests):
        """Return the limit with which requests can certainly be sent.

        Parameters
        ----------
        requests : list of Request
            Requests that are not in flight.

        Returns
        -------
        float
            Everything that counts towards the limit already, and the highest price of each
            request; NaN if one of these is not known.
        """
        self._follow_ledger()
        prices = (self._bound(request.model, request.prompt, request.n) for request in requests)
        return self._priced + self._bound_unpriced() + sum(prices)

    def reserve(self, request):
        """Enter the highest price of a request that is about to be sent.

        Parameters
        ----------
        request : Request
            The request.
        """
        price = self._bound(request.model, request.prompt, request.n)
        self._reserved[request] = price
        if math.isnan(price):
            self._ledger.add(request.id, 0.0, request.n)
        else:
            self._ledger.add(request.id, price)

    def settle(self, request, paid):
        """Enter what was paid for a request, in place of its highest price.

        Parameters
        ----------
        request : Request
            A request that was reserved.
        paid : float
            What was paid in the user's unit. If it is NaN, the highest price remains.
        """
        reserved = self._reserved[request]
        if math.isnan(reserved):
            if not math.isnan(paid):
                self._ledger.add(request.id, paid, -request.n)
        elif not math.isnan(paid):
            self._ledger.add(request.id, paid - reserved)
            if self._max_cost < math.inf and paid > reserved * (1 + _TOLERANCE):
                self._overrun = self._overrun or (request, reserved, paid)
        self._follow_ledger()

    def raise_overrun(self):
        """Raise ``BackendError`` if a request cost more than was reserved for it."""
        if self._overrun is not None:
            request, reserved, paid = self._overrun
            raise BackendError(
                f"model {request.model!r} billed {paid:.6g} for a request that may cost "
                f"{reserved:.6g} at most, so max_cost={self._max_cost} cannot be guaranteed and "
                f"the collection stops: {request.n} samples of the prompt {request.prompt!r:.80}; "
                "compare the prices, max_tokens and template of its backend with what its server "
                "charges"
            )

    def _bound(self, model, prompt, n):
        """Return the highest price of ``n`` samples of a prompt.

        If it is not known, raise if there is a limit, or else return NaN.
        """
        try:
            price = self._models[model].highest_price(prompt, n)
        except Exception as error:  # a backend of the user may lack the method, or do anything
            price = error
        if is_finite_number(price) and price >= 0:
            return float(price)
        if self._max_cost == math.inf:
            return math.nan
        raise BackendError(
            f"max_cost={self._max_cost} cannot be guaranteed: highest_price of the backend of "
            f"model {model!r} must return a finite price that is not negative, and is {price!r} "
            f"for {n} samples of the prompt {prompt!r:.80}"
        )

    def _follow_ledger(self):
        """Read what was entered into the ledger since the last time."""
        entries = self._ledger.entries_after(self._last_entry)
        if not entries:
            return
        self._last_entry = entries[-1].id
        entries = [entry for entry in entries if entry.request in self._request_ids]
        self._priced += sum(entry.amount for entry in entries)
        if any(entry.unpriced for entry in entries):
            for entry in entries:
                self._unpriced[entry.request] += entry.unpriced
            self._unpriced += Counter()  # removes the requests whose price is known by now
            # Without a limit, what is not known is not counted.
            self._unpriced_bound = self._bound_unpriced() if self._max_cost < math.inf else 0.0
        self.spent = self._priced + self._unpriced_bound

    def _bound_unpriced(self):
        """Return the highest price of all samples of unknown price."""
        requests = {
            id: (model, prompt)
            for model, ids in self._plan.ids.items()
            for prompt, id in ids.items()
            if id in self._unpriced
        }
        # Each sample may have been a request of its own.
        return sum(n * self._bound(*requests[id], 1) for id, n in self._unpriced.items())


def limit_to_text(limit):
    """Return a limit as text, rounded up to four digits, so that it remains sufficient."""
    if limit == 0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(limit)) - 3)
    return f"{math.ceil(limit / unit) * unit:.4g}"
