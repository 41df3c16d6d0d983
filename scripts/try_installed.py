"""Try the installed package: every public module imports, and a router learns from bundled data."""

import importlib
import pkgutil

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

import dars_sklearn
from dars_sklearn import DistributionalRouter, QueryEncoder
from dars_sklearn.datasets import load_smol_outcomes

for module in pkgutil.iter_modules(dars_sklearn.__path__, "dars_sklearn."):
    importlib.import_module(module.name)

outcomes = load_smol_outcomes().outcomes
router = make_pipeline(QueryEncoder(TfidfVectorizer()), DistributionalRouter())
route = router.fit(outcomes.queries, outcomes).predict(["Which city is the capital of Peru?"])
print(dars_sklearn.__version__, dars_sklearn.__file__, outcomes, route, sep="\n")
