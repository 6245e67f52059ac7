"""Tests of vye_pipeline.storage."""
