"""The error of a conversion that gave no usable TFLite file."""


class ConversionError(RuntimeError):
    """A model could not be converted to a TFLite file that runs on a phone.

    Args:
        message: What went wrong and how to go on.
        operations: Names of the TensorFlow operations that TFLite lacks,
            if that was the reason.
        log: What the converter printed.
    """

    def __init__(self, message, operations=(), log=""):
        super().__init__(message)
        self.operations = tuple(operations)
        self.log = log
