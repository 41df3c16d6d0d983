"""The calibration of a router in a report: how far its predictions were believed."""

import pandas as pd

__all__ = ["calibration_table"]


def calibration_table(calibrations):
    """Average the calibrations of the routers of all folds.

    Parameters
    ----------
    calibrations : sequence of Calibration or None
        Calibration of the router of each fold; None for a router without one.

    Returns
    -------
    DataFrame or None
        One row per quantity and component: slope of what all models share, slope of the
        differences between models, and its standard error; and for each quantity the share of
        the variance of these differences that is explained out of fold. For quality, also the
        reliability of the observed differences, which is the highest share that can be
        explained. None if a router has no calibration.
    """
    if any(own is None for own in calibrations):
        return None
    slopes = pd.concat([own.slopes for own in calibrations])
    slopes = slopes.groupby(level=[0, 1], sort=False).mean()
    explained = pd.DataFrame([_explained(own) for own in calibrations]).mean()
    reliability = pd.Series([own.reliability for own in calibrations]).mean()
    quantities = slopes.index.get_level_values("quantity")
    return slopes.assign(
        explained=explained.reindex(quantities).to_numpy(),
        reliability=[reliability if name == "quality" else float("nan") for name in quantities],
    )


def _explained(calibration):
    return {name: block.explained for name, block in calibration.blocks.items()}
