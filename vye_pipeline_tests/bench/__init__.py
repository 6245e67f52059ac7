"""`make bench`: how long a day of many records takes, stage by stage, on both databases."""
