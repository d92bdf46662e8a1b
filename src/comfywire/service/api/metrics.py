"""``/metrics``, for Prometheus."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from comfywire.service.metrics import CONTENT_TYPE, Metrics

from .context import get_caller, get_core

__all__ = ["router"]

router = APIRouter(tags=["operation"])


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def read_metrics(
    core: Annotated[Any, Depends(get_core)], caller: Annotated[Any, Depends(get_caller)]
) -> Response:
    """Figures of the whole service in Prometheus' format; they are the operator's: a key needs `admin`."""
    caller.must("admin")
    return Response(await Metrics(core.database).text(), media_type=CONTENT_TYPE)
