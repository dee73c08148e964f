"""From a device to tables of measured kernel times."""
