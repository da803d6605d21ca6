"""Studies of transfer itself: how far features of one task serve another, and from how many images on.

`python -m transfer.studies` trains what its ledger lacks and writes tables, figures and every single result.
"""
