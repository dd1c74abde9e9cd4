"""XFTP: files through routers, as a client, as whole files, and as a router.

`open_xftp_client` of `simplex_trio.xftp.client` is one connection to one router, by which packets
go one at a time.  `send_file`, `receive_file` and `delete_file` make files out of packets on any
number of routers.  `open_xftp_router` of `simplex_trio.xftp.router` is a router.

HTTP/2 and the cipher come from libraries that are not installed with the package itself but with
its extra ``xftp``; what needs them says so when it is used.
"""
