"""VYE's database: what is read of it, and the one flag that is written."""
