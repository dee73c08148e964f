"""A page that changes while somebody looks: it hears of changes once its browser is there, and no longer than that."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from nicegui import ui

from autoprune.service.web.live.following import Followings
from autoprune.service.web.live.view import JobView
from autoprune.service.web.live.watchers import Tell

T = TypeVar("T")


def while_shown(watch: Callable[[Tell[T]], None], leave: Callable[[Tell[T]], object], show: Tell[T]) -> None:
    """Call `show` with each change, in the page's own context, until the page is gone."""
    client = ui.context.client

    def tell(news: T) -> None:
        with client:
            show(news)

    client.on_connect(lambda: watch(tell))
    client.on_disconnect(lambda: leave(tell))
    client.on_delete(lambda: leave(tell))


def follow(followings: Followings, job: str, show: Tell[JobView]) -> None:
    """Call `show` with each change of a job while the page is shown."""

    def watch(tell: Tell[JobView]) -> None:
        followings.of(job).watch(tell)

    while_shown(watch, lambda tell: followings.leave(job, tell), show)
