"""`python -m probnn` checks the data files and repairs what it can."""

from probnn.data import DataError, repair

try:
    repair()
except DataError as error:
    raise SystemExit(str(error)) from None
