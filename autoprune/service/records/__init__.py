"""What the service remembers, in one database: jobs, events, uploads, tokens, workers, the audit log."""
