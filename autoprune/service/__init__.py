"""The service: jobs over HTTP, carried out by worker processes, durably."""
