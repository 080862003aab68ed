"""The page to listen to."""
