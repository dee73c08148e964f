"""How good policies turn out to be: scored in a search, judged once their networks are refitted."""
