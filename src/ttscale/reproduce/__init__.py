"""One file per published system: what its paper claims, and what comes out here.

A file holds the paper's claims, beside each what is measured here, the criterion by which it is judged
(written before it runs), and the function that measures it. `protocol/` is what all of them share.
"""
