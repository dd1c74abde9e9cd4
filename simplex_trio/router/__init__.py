"""The router: a small SMP router in Trio, to develop and test against and to host oneself."""
