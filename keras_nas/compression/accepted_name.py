"""Names that TensorFlow accepts."""

import re


def accepted_name(name):
    """Returns a name with all that TensorFlow refuses in it replaced.

    Keras 3 takes any text for the name of a layer, tf_keras does not.

    Args:
        name: String.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    return name if re.match(r"[A-Za-z0-9.]", name) else f"layer{name}"
