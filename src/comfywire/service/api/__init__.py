"""The HTTP API: parse, ask the service, render. No decision is made here."""
