"""Views and figures taken home: asked for, drawn in a process of their own, copied as a command."""
