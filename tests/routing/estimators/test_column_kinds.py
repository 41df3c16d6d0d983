import pandas as pd
from scipy.sparse import issparse

from dars_sklearn.routing.estimators import NeighborsRegressorCV
from dars_sklearn.routing.estimators._column_kinds import default_regressor, find_column_kinds

FRAME = pd.DataFrame(
    {
        "query": ["2 + 2?", "Red in French?", "3 + 3?", "Cat in French?"],
        "length": [3, 4, 3, 4],
        "task": ["add", "translate", "add", None],
        "urgent": [True, False, False, False],
        "tenant": pd.Categorical(["a", "b", "c", "d"]),
        "chat": [[{"role": "user", "content": f"Hello {i}"}] for i in range(4)],
    }
)


def test_columns_are_groups_texts_or_numbers():
    kinds = find_column_kinds(FRAME)
    assert kinds.groups == ["urgent", "tenant"]  # two of three tasks are different
    assert kinds.texts == ["query", "task", "chat"]
    assert kinds.numbers == ["length"]
    assert find_column_kinds(pd.concat([FRAME] * 2)).groups[:2] == ["task", "urgent"]


def test_texts_are_encoded_beside_numbers():
    frame = FRAME[["query", "length", "chat"]]
    regressor = default_regressor(frame).fit(frame, [0.0, 1.0, 0.0, 1.0])
    features = regressor[:-1].transform(frame)
    assert issparse(features)
    squared = features.multiply(features).sum(axis=0)
    assert squared.sum() > 0
    assert regressor.predict(frame).shape == (4,)


def test_texts_and_numbers_weigh_the_same():
    frame = pd.DataFrame({"query": list("abcd"), "x": [1.0, 2, 3, 4], "y": [10.0, 0, 0, 3]})
    frame["query"] = frame["query"] * 3
    regressor = default_regressor(frame).fit(frame, [0.0, 1.0, 0.0, 1.0])
    features = regressor[:-1].transform(frame).toarray()
    lengths = (features**2).mean(axis=0)
    assert lengths[:-2].sum() == 1
    assert abs(lengths[-2:].sum() - 1) < 1e-9


def test_a_table_without_texts_needs_no_encoder():
    assert isinstance(default_regressor(FRAME[["length"]]), NeighborsRegressorCV)
    assert isinstance(default_regressor([[1.0], [2.0]]), NeighborsRegressorCV)
