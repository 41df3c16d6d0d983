"""Progress bars."""

from tqdm.auto import tqdm

__all__ = ["progress_bar"]


def progress_bar(iterable=None, *, verbose, **options):
    """Make a tqdm progress bar that follows the ``verbose`` parameter of this package.

    Parameters
    ----------
    iterable : iterable or None, default=None
        What is iterated over.
    verbose : bool or None
        Whether to show the bar. None shows it where the output is a terminal.
    **options : dict
        Passed to tqdm.

    Returns
    -------
    tqdm
        The bar.
    """
    return tqdm(iterable, disable=None if verbose is None else not verbose, **options)
