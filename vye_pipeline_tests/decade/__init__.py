"""Ten years of small days, with all that happens in ten years: `make decade`."""
