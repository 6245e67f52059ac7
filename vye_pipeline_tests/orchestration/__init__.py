"""Tests of vye_pipeline.orchestration."""
