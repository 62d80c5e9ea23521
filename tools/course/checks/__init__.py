"""A check of every function that a course asks for; its docstring is what students are told.

Functions are marked by these. Students see them with other numbers if they hold no answer, else the
one of typed numbers in `tools.course.checks.shown`.
"""
