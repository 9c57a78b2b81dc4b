"""The same work in one process or in several."""

import multiprocessing
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def each(
    work: Callable[[Task], Result], tasks: list[Task], workers: int, arguments: tuple[Any, ...], start: Callable[..., None]
) -> Iterator[Result]:
    """Results in the order of the tasks; `start(*arguments)` runs once in every process."""
    if workers <= 1 or len(tasks) < 2:
        if tasks:
            start(*arguments)
        yield from map(work, tasks)
        return
    # A fresh interpreter: an OpenGL context does not survive a fork.
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, start, arguments) as pool:
        yield from pool.imap(work, tasks)
