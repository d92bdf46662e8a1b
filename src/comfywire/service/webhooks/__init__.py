"""Webhooks: their messages, secrets and delivery."""
