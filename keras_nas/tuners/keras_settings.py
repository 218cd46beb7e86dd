"""The settings of Keras that the user's process has made."""

import contextlib
import dataclasses
from typing import Any

import keras


@dataclasses.dataclass(frozen=True)
class KerasSettings:
    """What a user has set in `keras.config`, to be set again elsewhere.

    A new process begins with Keras's defaults, and so does every model after
    `keras.utils.clear_session()`: with a dtype policy of mixed precision,
    only the first model would have it.

    Attributes:
        floatx: String.
        epsilon: Float.
        image_data_format: String.
        dtype_policy: `keras.DTypePolicy`.
        filters_tracebacks: Boolean.
        logs_interactively: Boolean.
        has_flash_attention: Boolean; `None` where Keras decides.

    Example:

    >>> before = KerasSettings.current()
    >>> keras.config.set_dtype_policy("mixed_bfloat16")
    >>> clear_session()
    >>> keras.config.dtype_policy().name
    'mixed_bfloat16'
    >>> before.apply()
    >>> keras.config.dtype_policy().name
    'float32'
    """

    floatx: str
    epsilon: float
    image_data_format: str
    dtype_policy: Any
    filters_tracebacks: bool
    logs_interactively: bool
    has_flash_attention: bool | None

    @classmethod
    def current(cls):
        """Returns the settings of this thread."""
        config = keras.config
        return cls(
            floatx=config.floatx(),
            epsilon=config.epsilon(),
            image_data_format=config.image_data_format(),
            dtype_policy=config.dtype_policy(),
            filters_tracebacks=config.is_traceback_filtering_enabled(),
            logs_interactively=config.is_interactive_logging_enabled(),
            has_flash_attention=config.is_flash_attention_enabled(),
        )

    def apply(self):
        """Makes these the settings of this thread."""
        config = keras.config
        config.set_floatx(self.floatx)
        config.set_epsilon(self.epsilon)
        config.set_image_data_format(self.image_data_format)
        config.set_dtype_policy(self.dtype_policy)
        for is_on, turn_on, turn_off in (
            (
                self.filters_tracebacks,
                config.enable_traceback_filtering,
                config.disable_traceback_filtering,
            ),
            (
                self.logs_interactively,
                config.enable_interactive_logging,
                config.disable_interactive_logging,
            ),
            (
                self.has_flash_attention is not False,
                config.enable_flash_attention,
                config.disable_flash_attention,
            ),
        ):
            (turn_on if is_on else turn_off)()

    @contextlib.contextmanager
    def applied(self):
        """Has these settings in the body, and those of before after it."""
        before = type(self).current()
        self.apply()
        try:
            yield
        finally:
            before.apply()


def clear_session():
    """Frees what Keras holds of former models; its settings stay.

    `keras.utils.clear_session` alone would reset the dtype policy, among
    others. (What `keras.config.enable_unsafe_deserialization` has set cannot
    be asked for, and is reset.)
    """
    settings = KerasSettings.current()
    keras.utils.clear_session()
    settings.apply()
