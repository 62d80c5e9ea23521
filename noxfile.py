"""The unit tests with the oldest and the newest versions of everything, on every supported Python.

    pip install 'nox[uv]'
    nox                          all of it; what Pythons are missing here is said
    nox -s "newest-3.13"         one of them
    nox -- -k likelihood         arguments for pytest

Deprecations that our code meets are errors here, so that they are seen before they are removals.
"""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = True
UNIT_TESTS = ("-m", "not notebook and not slow", "-p", "no:cacheprovider")
OURS = (r"probnn(\..*)?", r"tools(\..*)?", r"(test_\w+|runs|truths)")
DEPRECATIONS = ("-o", "filterwarnings=" + "\n".join(f"error:::{module}" for module in OURS))


@nox.session(python=["3.10", "3.11", "3.12", "3.13"])
def newest(session: nox.Session) -> None:
    """The newest versions that this Python can have."""
    session.install("-e", ".[notebooks,tests]")
    session.run("pytest", *UNIT_TESTS, *DEPRECATIONS, *session.posargs)


@nox.session(python="3.10")
def oldest(session: nox.Session) -> None:
    """The oldest versions that pyproject.toml allows."""
    session.install("--resolution", "lowest-direct", "-e", ".[notebooks,tests]")
    session.run("pytest", *UNIT_TESTS, *session.posargs)
