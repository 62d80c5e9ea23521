"""What students see of a check that would otherwise hold the answer: typed inputs and numbers.

Functions of which a check gives nothing away have none here: theirs is public as it is.
"""
