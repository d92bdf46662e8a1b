"""How the test server checks a prompt that is posted."""
