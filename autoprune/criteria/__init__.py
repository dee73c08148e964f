"""Which channels of a group matter: one family of criteria a file, one function a criterion.

`evidence` says what is known of a group, `criterion` what a criterion is and which there are, `ranking` what becomes
of its scores. No criterion knows how the evidence came about, or of any network.
"""
