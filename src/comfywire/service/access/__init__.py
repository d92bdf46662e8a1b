"""Who may do what: keys, limits and idempotency."""
