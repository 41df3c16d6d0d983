"""Test a random sample of mutants of the core with mutmut, and fail if too many survive.

A mutant is the package with one expression changed; it is killed if a test fails. What is mutated
and which tests run is set in ``[tool.mutmut]`` of pyproject.toml. mutmut runs all mutants or those
that it is given by name, so this script draws the names.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

KILLED = {"killed", "timeout", "segfault"}


def mutmut(*arguments):
    """Run mutmut and return what it prints."""
    command = [str(Path(sys.executable).with_name("mutmut")), *arguments]
    # Workers are processes; threads of numerical libraries would compete for the same cores.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(f"{run.stdout}\nmutmut {arguments[0]} failed")
    return run.stdout


def statuses():
    """Return the status of every mutant by its name."""
    lines = mutmut("results", "--all", "true").splitlines()
    return dict(line.strip().rsplit(": ", 1) for line in lines if ": " in line)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=300, help="number of mutants")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample")
    parser.add_argument("--only", default="", help="regular expression that names must contain")
    parser.add_argument("--fail-under", type=float, default=90, help="least percentage killed")
    parser.add_argument("--jobs", default=str(os.cpu_count()), help="number of processes")
    options = parser.parse_args()

    shutil.rmtree("mutants", ignore_errors=True)
    # Names exist once mutants are generated, which only a run does: the smallest one possible.
    mutmut("run", "dars_sklearn.utility.x_utility__mutmut_1")
    names = sorted(name for name in statuses() if re.search(options.only, name))
    sample = random.Random(options.seed).sample(names, min(options.sample, len(names)))
    print(f"{len(sample)} of {len(names)} mutants", flush=True)
    mutmut("run", "--max-children", options.jobs, *sample)

    status = statuses()
    survivors = sorted(name for name in sample if status[name] not in KILLED)
    for name in survivors:
        print(mutmut("show", name))
    counts = Counter(status[name] for name in sample)
    killed = 100 * (1 - len(survivors) / len(sample))
    print(", ".join(f"{count} {name}" for name, count in counts.most_common()))
    print(f"{killed:.1f} % killed; at least {options.fail_under:g} % are required")
    sys.exit(killed < options.fail_under)


if __name__ == "__main__":
    main()
