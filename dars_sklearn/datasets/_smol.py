"""The bundled real data set."""

from importlib.resources import as_file, files

import pandas as pd
from sklearn.utils import Bunch

from dars_sklearn.outcomes import Outcomes

__all__ = ["load_smol_outcomes"]


def load_smol_outcomes():
    """Load real outcomes of four candidate models on easy questions.

    SmolLM2-135M-Instruct and Gemma-3-270M, each under two prompts, were asked
    five wordings of each question and sampled five times. What is known of the
    data, its flaws too, is in its ``DESCR``.

    Returns
    -------
    Bunch
        With ``queries``, ``paraphrases`` (n_queries, 5), ``outcomes``,
        ``kinds`` and ``references`` (accepted answers, joined by " | "), one
        row a query; ``responses``, a DataFrame with the text of every
        response; and ``DESCR``.

    Examples
    --------
    >>> from dars_sklearn.datasets import load_smol_outcomes
    >>> data = load_smol_outcomes()
    >>> data.queries[0]
    'What is the capital of France?'
    """
    folder = files("dars_sklearn.datasets") / "data"
    with as_file(folder / "smol_outcomes.csv.gz") as path:
        responses = pd.read_csv(path, keep_default_na=False, na_values={"latency": [""]})
    with as_file(folder / "smol_questions.csv") as path:
        questions = pd.read_csv(path, keep_default_na=False)
    wordings = questions.filter(regex=r"^wording_").to_numpy(dtype=object)
    return Bunch(
        queries=questions["query"].to_numpy(dtype=object),
        paraphrases=wordings,
        outcomes=Outcomes.from_frame(responses, queries=questions["query"]),
        kinds=questions["kind"].to_numpy(dtype=object),
        references=questions["reference"].to_numpy(dtype=object),
        responses=responses,
        DESCR=(folder / "smol_outcomes.md").read_text(encoding="utf-8"),
    )
