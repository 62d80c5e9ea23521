"""Commands for those who maintain the pages, as in `python -m tools.execute`."""
