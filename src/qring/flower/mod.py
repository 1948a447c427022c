"""The client's side: a mod that masks what a ClientApp trained before it leaves the client."""

from __future__ import annotations

from collections.abc import Callable

from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp.typing import ClientAppCallable

from qring.errors import InputError, PeerError
from qring.flower.config import SecureSum
from qring.flower.model import digest, flat
from qring.security.secagg.messages.client import Client, Rules
from qring.security.secagg.messages.frames import Kind
from qring.security.secagg.messages.identity import Identity
from qring.security.secagg.messages.state import restore, save

__all__ = ["RECORD", "SecureMod", "message_in"]

RECORD = "qring"
"""Name of the record that carries the messages of secure aggregation."""

_STATE = "qring-state"


def message_in(msg: Message) -> bytes:
    """The message of secure aggregation that ``msg`` carries.

    Raises:
        PeerError: its record holds none.
    """
    found = msg.content.config_records[RECORD].get("message")
    if not isinstance(found, bytes):
        raise PeerError(f"a record {RECORD!r} without a message: the other side is no qring")
    return found


class SecureMod:
    """A mod for ``ClientApp(mods=[...])``. Put it first, so that others see the plain update.

    Args:
        config: the same value that the strategy has.
        identity: gives the node's signing key, if ``config.directory`` is set.

    Between messages its secrets stay in the node's own context. A round that is refused raises,
    which Flower tells the server as an error of this client.
    """

    def __init__(
        self, config: SecureSum, *, identity: Callable[[Context], Identity] | None = None
    ) -> None:
        if (config.directory is None) != (identity is None):
            raise InputError("signatures take both: config.directory, and an identity")
        self.config, self._identity = config, identity

    def __call__(self, msg: Message, ctxt: Context, call_next: ClientAppCallable) -> Message:
        """Answer a stage of secure aggregation, or train and mask.

        Raises:
            PeerError: the server asks what an honest one would not.
            InputError: an update that the words cannot hold, or another configuration.
        """
        if msg.metadata.message_type.split(".")[0] != "train":
            return call_next(msg, ctxt)
        if RECORD not in msg.content:
            raise PeerError("the server asks for a plain update; this client sends masked ones")
        told = message_in(msg)
        client = self._client(ctxt, fresh=told[5:6] == bytes([Kind.OFFER]))
        if not msg.content.array_records:
            return self._reply(msg, ctxt, client, client.receive(told), RecordDict())
        return self._train(msg, ctxt, call_next, client, told)

    def _train(
        self, msg: Message, ctxt: Context, call_next: ClientAppCallable, client: Client, told: bytes
    ) -> Message:
        arrays = next(iter(msg.content.array_records.values()))
        if client.offer is None:
            raise PeerError("the server sends a model before it offered a sum")
        if client.offer.model != digest(arrays):
            raise PeerError("the model is not the one that was offered to all: the server lies")
        before = flat(arrays)
        self.config.check_offer(client.offer, len(before))
        del msg.content[RECORD]
        out = call_next(msg, ctxt)
        if out.has_error():
            return out
        (trained,) = out.content.array_records.values()
        metrics = next(iter(out.content.metric_records.values()), MetricRecord())
        if list(trained) != list(arrays):
            raise InputError("the reply has other arrays than the model: names must stay")
        examples = 1
        if self.config.max_examples is not None and self.config.promise is None:
            if self.config.weight_key not in metrics:
                raise InputError(f"the reply's metrics lack {self.config.weight_key!r}")
            examples = int(metrics[self.config.weight_key])  # type: ignore[arg-type]
        update = flat(trained) - before
        client.contribute(self.config.words(update, examples, client.offer))
        kept = {name: metrics[name] for name in self.config.clear_metrics if name in metrics}
        content = RecordDict({"metrics": MetricRecord(kept)} if kept else {})
        return self._reply(msg, ctxt, client, client.receive(told), content)

    def _client(self, ctxt: Context, fresh: bool) -> Client:
        state = ctxt.state.config_records.get(_STATE, ConfigRecord())
        identity = None if self._identity is None else self._identity(ctxt)
        after = int(state.get("round", -1))  # type: ignore[arg-type]
        settings = {
            "identity": identity,
            "directory": self.config.directory,
            "rules": Rules(withstands=self.config.withstands, after_round=after),
        }
        saved = state.get("client", b"")
        # What is answered once must not be answered again, whatever goes wrong from here.
        ctxt.state[_STATE] = ConfigRecord({"round": after, "client": b""})
        if saved and not fresh:
            return restore(saved, **settings)  # type: ignore[arg-type]
        return Client(ctxt.node_id, **settings)  # type: ignore[arg-type]

    def _reply(
        self, msg: Message, ctxt: Context, client: Client, answer: bytes, content: RecordDict
    ) -> Message:
        number = -1 if client.offer is None else client.offer.round
        saved = b"" if client.due is None else save(client)
        ctxt.state[_STATE] = ConfigRecord({"round": number, "client": saved})
        content[RECORD] = ConfigRecord({"message": answer})
        return Message(content, reply_to=msg)
