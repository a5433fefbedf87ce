"""One cluster for all tests that leave it as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scale.dask_cluster import Cluster, dask_cluster


@pytest.fixture(scope="session")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """With nannies, as `dask worker` starts them."""
    with dask_cluster(tmp_path_factory.mktemp("cluster"), 2, nanny=True) as cluster:
        yield cluster
