"""Tests of vye_pipeline.columns."""
