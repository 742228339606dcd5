"""The federations that merge, declared; their code is imported when one is built."""

from __future__ import annotations

from bench.hooks import hookimpl
from bench.registry import Registry
from bench_federations.params import AdaptiveParams, FedProxParams

bench_contract = 1


@hookimpl
def bench_register(registry: Registry) -> None:
    """Declare them all."""
    registry.federation(
        "fedavg",
        "bench_federations.averaging:FedAvg",
        summary="the mean of the clients' weights, by training items",
        paper="McMahan et al. 2017",
    )
    registry.federation(
        "fedprox",
        "bench_federations.averaging:FedProx",
        params=FedProxParams,
        summary="averaging, with each client held near the weights it received",
        paper="Li et al. 2020",
        space={"mu": (0.001, 0.01, 0.1)},
    )
    registry.federation(
        "fednova",
        "bench_federations.averaging:FedNova",
        refuses="bench_federations.params:fednova_refuses",
        summary="averaging normalised by steps; for sgd at a constant rate alone",
        paper="Wang et al. 2020",
    )
    for name, path, rule in (
        ("fedadam", "FedAdam", "Adam"),
        ("fedyogi", "FedYogi", "Yogi"),
    ):
        registry.federation(
            name,
            f"bench_federations.adaptive:{path}",
            params=AdaptiveParams,
            summary=f"the server takes steps of {rule} along the mean change of the clients",
            paper="Reddi et al. 2021",
            space={"learning_rate": (0.001, 0.01, 0.1)},
        )
