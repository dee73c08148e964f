"""Pictures as SVG text whose colours are the page's: light or dark, without a script and without a library."""
