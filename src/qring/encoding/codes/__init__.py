"""Binary error-correcting codes: BCH and quasi-cyclic LDPC, encoders and decoders."""
