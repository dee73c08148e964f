"""The pages, a module each."""

from autoprune.service.web.pages import compare, frame, job, jobs, new, table, tables

__all__ = ["compare", "frame", "job", "jobs", "new", "table", "tables"]
