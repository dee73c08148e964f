"""Which kernels the runtime executes for any policy, learnt from networks that it ran."""
