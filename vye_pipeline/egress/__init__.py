"""A business day on its way to BDN: claim its records, deliver their file, deliver it again.

What BDN answers is read in reconciliation/; how files and claims are remembered is the ledger's.
"""
