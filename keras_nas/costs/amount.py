"""What counts as an amount in files that others have written."""


def is_amount(value):
    """Whether a value is a finite number that is not negative.

    Args:
        value: Anything, as read from JSON.

    Returns:
        Boolean.

    Example:

    >>> [is_amount(value) for value in (0, 1.5, -1, True, "1", None)]
    [True, True, False, False, False, False]
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 <= value < float("inf")
