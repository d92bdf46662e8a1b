"""``/metrics``, for Prometheus."""

from __future__ import annotations

from starlette.responses import Response

from comfywire.service.api.prometheus import CONTENT_TYPE, Metrics

from .admission import key_first_router
from .context import Administering, Service

__all__ = ["router"]

router = key_first_router(tag="operation")


@router.get(
    "/metrics",
    operation_id="getMetrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
async def read_metrics(core: Service, _: Administering) -> Response:
    """Figures of the whole service in Prometheus' format, for the operator: the key must be for `admin`."""
    return Response(await Metrics(core.database).text(), media_type=CONTENT_TYPE)
