"""What people read of the ledger: the calendar, a day's timeline, the worklist, the page.

Changes nothing but resolutions.
"""
