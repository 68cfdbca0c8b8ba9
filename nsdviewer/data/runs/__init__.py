"""Time series with motion, design and physiology."""
