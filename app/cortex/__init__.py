"""The cortex in the window: how it is drawn, turned, clicked, and what lies over it."""
