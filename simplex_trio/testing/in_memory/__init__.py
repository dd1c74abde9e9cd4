"""Routers, connections to them, and programs that crash, all in one process and in virtual time.

What runs is the real thing; only TCP, TLS and files are left out.
"""
