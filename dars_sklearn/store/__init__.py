"""The SQLite store of collected responses."""

from dars_sklearn.store._errors import StoreError
from dars_sklearn.store._reader import read_responses, read_store
from dars_sklearn.store._store import Store

__all__ = ["Store", "StoreError", "read_responses", "read_store"]
