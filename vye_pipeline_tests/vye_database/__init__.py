"""The tests of vye_database."""
