"""The analysts' page: what it shows (facts), how it is written (render), where it is put (publish).

It shows what the views hold, so it holds no personal data either.
"""
