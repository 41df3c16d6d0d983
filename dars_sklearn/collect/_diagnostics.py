"""Problems with the samples of a model that a user should know about."""

from dars_sklearn.grade._reasons import list_reasons

__all__ = ["describe_problems"]

# Fewer prompts than this may be easy enough to get the same response every time.
_MIN_CONSTANT = 5


def describe_problems(model, counts, temperature):
    """Describe problems with the samples of a model.

    Parameters
    ----------
    model : str
        Name of the model.
    counts : SampleCounts
        Counts over its samples.
    temperature : float or None
        Sampling temperature of its backend, None if unknown.

    Returns
    -------
    list of str
        One message per problem.
    """
    problems = []
    if counts.errors:
        problems.append(
            f"{counts.wanted - counts.stored} of {counts.wanted} samples of model {model!r} "
            f"failed, and their outcomes are missing: {list_reasons(counts.errors)}"
        )
    predicates = {
        "were cut by the token limit, which looks like inability; raise max_tokens": counts.cut,
        "are refusals": counts.refused,
        "are empty": counts.empty,
    }
    problems += [
        f"{count} of {counts.stored} responses of model {model!r} {predicate}"
        for predicate, count in predicates.items()
        if count
    ]
    all_constant = counts.repeated >= _MIN_CONSTANT and counts.constant == counts.repeated
    if all_constant and temperature:
        problems.append(
            f"the samples of model {model!r} are the same for every prompt, as if its "
            "temperature were 0; check that its server honours temperature and n"
        )
    return problems
