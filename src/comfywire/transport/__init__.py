"""Bytes and JSON over HTTP and WebSocket; the client's only importer of aiohttp."""
