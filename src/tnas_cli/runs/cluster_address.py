"""Where a Dask cluster is, and what proves who asks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ClusterAddress:
    """address: tcp://HOST:PORT or tls://HOST:PORT of a scheduler, or the file that it wrote (`--scheduler-file`).

    tls_ca, tls_cert, tls_key: PEM files of the authority that signed the cluster's certificates, and of this user's
    certificate and key. shared_files: whether the workers see the run's folder, the data and what else the work reads.
    """

    address: str
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    shared_files: bool = True
