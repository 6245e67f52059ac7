"""A business day's submissions, carried from VYE to BDN and accounted for one by one."""
