"""Jobs: their states, records, leases and news, and which of them is next."""
