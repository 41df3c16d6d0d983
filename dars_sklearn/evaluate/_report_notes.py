"""On how many queries and on which scale the figures of a report are, in words."""

import numpy as np

from dars_sklearn.evaluate._report import strategy_label
from dars_sklearn.evaluate._report_columns import BEST, CHEAPEST, CONTROLS
from dars_sklearn.outcomes._validation import plural

__all__ = ["known_query_notes", "scale_notes"]


def known_query_notes(realised, routes):
    """Say over how many queries figures are, if some routed pairs have no outcome.

    Parameters
    ----------
    realised : RealisedValues
        What each model achieves on each query.
    routes : RoutesToReport
        Routes.

    Returns
    -------
    list of str
        Sentences; none where every figure is over all queries.
    """
    fixed = {name: routes.fixed[name] for name in (BEST, CHEAPEST) if name in routes.fixed}
    is_known = {
        name: ~np.isnan(realised.take("score", realised.column_indices(own, "skip")))
        for name, own in (routes.evaluated | fixed).items()
    }
    n = len(realised.score)
    if all(known.all() for known in is_known.values()):
        return []
    counts = ", ".join(f"{strategy_label(name)} {own.sum()}" for name, own in is_known.items())
    gains = ", ".join(
        f"{strategy_label(name)} over {strategy_label(rival)} "
        f"{(is_known[name] & is_known[rival]).sum()}"
        for name in routes.evaluated
        for rival in (BEST, *CONTROLS)
        if name not in CONTROLS and rival in is_known and rival != name
    )
    return [
        f"Not all {n} {plural('query', n)} have an outcome of the routed model; the figures of a "
        f"strategy are over those that have: {counts}",
        f"Gains are over the queries on which both strategies have an outcome: {gains}; so they "
        "are not the differences of two rows",
    ]


def scale_notes(outcomes):
    """Say on which scale utilities are, where it is not that of the scores.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of a report.

    Returns
    -------
    list of str
        A sentence; none where scores are from 0 to 1, or have no declared range.
    """
    if outcomes.score_range in (None, (0.0, 1.0)):
        return []
    low, high = outcomes.score_range
    return [
        f"Score and instability are on the scale of the scores, {low:.4g} to {high:.4g}; utility, "
        f"regret and gains are on the unit scale, on which {low:.4g} is 0 and {high:.4g} is 1"
    ]
