"""Where tasks come from: data sets, the HDF5 cache, the sampler, task folders."""
