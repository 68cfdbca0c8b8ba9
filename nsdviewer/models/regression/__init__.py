"""Ridge regression with penalties chosen by cross-validation over pictures."""
