"""What operators decide and look at, each group of routes in a module of its own."""

from fastapi import APIRouter

from functions.manage.routes import deadletters, documents, eventtypes, jobs, status
from functions.manage.wiring import Parts
from shared.runtime.http import new_router


def routes(parts: Parts) -> APIRouter:
    """The routes over `parts`."""
    router = new_router()
    for group in (eventtypes, deadletters, jobs, status, documents):
        router.routes += group.routes(parts).routes
    return router
