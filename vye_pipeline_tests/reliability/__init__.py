"""Pulling the plug, systematically: each trial ends in the state of an uninterrupted run."""
