"""The page that browsers get at ``/``: its files, and the routes that serve them."""
