"""``/metrics``, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from comfywire.service.api.prometheus import CONTENT_TYPE, Metrics

from .context import Asking, Service

__all__ = ["router"]

router = APIRouter(tags=["operation"])


@router.get(
    "/metrics",
    operation_id="getMetrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
async def read_metrics(core: Service, caller: Asking) -> Response:
    """Figures of the whole service in Prometheus' format; they are the operator's: a key needs `admin`."""
    caller.must("admin")
    return Response(await Metrics(core.database).text(), media_type=CONTENT_TYPE)
