"""A grid in this process: a ServerApp's strategy against a ClientApp, without Ray or a network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

from flwr.app import ConfigRecord, Context, Error, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from qring.errors import QringError

__all__ = ["LocalGrid"]

_App = Callable[[Message, Context], Message]


class LocalGrid(Grid):
    """Delivers messages to one ClientApp a node, one after another: for tests and small trials.

    Args:
        app: called with a message and the node's context.
        nodes: node numbers; a node's ``node_config`` has its place as ``partition-id``.
        silent: says whether a node falls silent, from its number and how many messages it has
            answered so far; a node that does never speaks again.

    What qring refuses on a node becomes its error reply, as in Flower's own runtime.
    """

    def __init__(
        self,
        app: _App,
        nodes: Iterable[int],
        *,
        silent: Callable[[int, int], bool] = lambda _node, _answered: False,
    ) -> None:
        self._app, self._silent = app, silent
        self._nodes = tuple(nodes)
        self.contexts = {
            node: Context(
                run_id=1, node_id=node, node_config={"partition-id": place}, state=RecordDict(),
                run_config={}, series_id=1,
            )
            for place, node in enumerate(self._nodes)
        }  # fmt: skip
        self._answered = dict.fromkeys(self._nodes, 0)
        self.errors: list[str] = []
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1

    def set_run(self, run: object) -> None:
        """Nothing to set."""

    @property
    def run(self) -> object:  # type: ignore[override]
        """No run stands behind this grid."""
        return None

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str,
        ttl: float | None = None,
    ) -> Message:  # fmt: skip
        """A message to one node."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """All nodes, silent ones too: nobody knows yet that they are."""
        return self._nodes

    def get_nodes(self) -> Iterable[object]:  # type: ignore[override]
        """Refused: nodes have numbers only."""
        raise NotImplementedError("a local grid's nodes have numbers only: use get_node_ids")

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Refused: replies come at once, by :meth:`send_and_receive`."""
        raise NotImplementedError("a local grid answers at once: use send_and_receive")

    pull_messages = push_messages  # type: ignore[assignment]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Replies of the nodes that are not silent."""
        replies = []
        for message in messages:
            node = message.metadata.dst_node_id
            if self._answered[node] < 0 or self._silent(node, self._answered[node]):
                self._answered[node] = -1
                continue
            records = {
                name: copy.copy(record) if isinstance(record, ConfigRecord) else record
                for name, record in message.content.items()
            }
            own = Message(
                RecordDict(records), dst_node_id=node,
                message_type=message.metadata.message_type, group_id=message.metadata.group_id,
            )  # fmt: skip
            TaskIdentity.node_id = node
            try:
                reply = self._app(own, self.contexts[node])
            except QringError as error:
                self.errors.append(f"node {node}: {error}")
                reply = Message(Error(code=0, reason=str(error)), reply_to=own)
            finally:
                TaskIdentity.node_id = 1
            reply.metadata.__dict__["_src_node_id"] = node
            self._answered[node] += 1
            replies.append(reply)
        return replies
