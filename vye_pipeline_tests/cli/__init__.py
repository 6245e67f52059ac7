"""Tests of vye_pipeline.cli."""
