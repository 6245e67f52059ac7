"""Tests of vye_pipeline.reporting."""
