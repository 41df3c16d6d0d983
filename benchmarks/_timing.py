"""Timing of calls, shared by the benchmarks."""

import time
from typing import NamedTuple


class TimedCall(NamedTuple):
    """What a call returned, and how long it took."""

    result: object
    seconds: float


def time_call(function, *arguments):
    """Time one call.

    Parameters
    ----------
    function : callable
        The function to call.
    *arguments : tuple
        Passed to the function.

    Returns
    -------
    TimedCall
        What the call returned, and its wall time.
    """
    start = time.perf_counter()
    result = function(*arguments)
    return TimedCall(result, time.perf_counter() - start)


def shortest_time(function, n_repeats=3, *, make_argument=None):
    """Wall time of the fastest of several calls.

    Parameters
    ----------
    function : callable
        The function to time.
    n_repeats : int, default=3
        Number of calls.
    make_argument : callable or None, default=None
        Creates the argument of each call, outside of the measured time. Use it for objects that
        keep results from one call to the next.

    Returns
    -------
    float
        Seconds.
    """
    seconds = []
    for _ in range(n_repeats):
        arguments = () if make_argument is None else (make_argument(),)
        seconds.append(time_call(function, *arguments).seconds)
    return min(seconds)
