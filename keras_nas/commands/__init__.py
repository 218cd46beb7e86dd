"""What the program `keras-nas` does; see `keras_nas_cli.py`."""
