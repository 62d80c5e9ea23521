"""A check of every function that a course asks for; its docstring is what students are told.

The public check and the one that marks differ in the seed and in the number of data.
"""
