"""A synthetic VYE and a stand-in BDN, with faults on request."""
