"""Engines, what a driver's error means, and whole-table transfers. Knows no table by name."""
