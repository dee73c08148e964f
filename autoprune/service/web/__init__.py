"""The service in a browser: pages for people who would rather look. NiceGUI, on the server's own application."""
