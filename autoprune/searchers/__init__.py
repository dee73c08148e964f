"""Ways to find good policies, one a file; `registry` names them and imports only the one that is used."""
