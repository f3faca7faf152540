"""Texts that the settings took from elsewhere: a variable of the environment, a file of its own."""


class PutIn(str):
    """A text that stands in a file as `${NAME}` or `file:path` only.

    It may be meant as a number, for variables know nothing but text; and it may be a secret, so no fault quotes it.
    """

    __slots__ = ()
