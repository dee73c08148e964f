"""The jobs themselves: a durable workflow of the stages of a run, and the process that carries it out."""
