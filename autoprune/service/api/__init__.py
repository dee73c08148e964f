"""The HTTP interface: a router a resource."""
