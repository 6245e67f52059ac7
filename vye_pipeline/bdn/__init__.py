"""The far side: the files exchanged with BDN, and the object store in which they lie."""
