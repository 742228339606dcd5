"""The side of a site: each question reaches a new process, which opens the folder of the site and
answers.

The SuperNode says where the folder is and which number the site has:

    flower-supernode ... --node-config 'partition-id=0 site="/data/site"'
"""

from __future__ import annotations

from pathlib import Path

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from bench.errors import BenchError, UsageError
from bench.sites import messages
from gapbench_flower.records import message_of, record_of


def answer(message: Message, context: Context) -> Message:
    """The answer to a message; where there is none, the reason in one line."""
    question = message_of(message.content)
    try:
        answered = _answer(question, context)
    except BenchError as error:
        answered = messages.Message(question.kind, about={"error": error.public})
    return Message(record_of(answered), reply_to=message)


def _answer(question: messages.Message, context: Context) -> messages.Message:
    number, folder = (context.node_config.get(key) for key in ("partition-id", "site"))
    if not isinstance(number, int) or not isinstance(folder, str):
        raise UsageError(
            "its SuperNode does not say which site it is; start it with "
            "--node-config 'partition-id=NUMBER site=\"FOLDER\"'"
        )
    if question.kind == "number":
        return messages.Message(question.kind, about={"number": number})
    import torch  # which the first question does not wait for

    from bench.registry import discover
    from bench.sites.site import Site

    site = Site(Path(folder), discover())
    torch.set_num_threads(site.agreement.threads)
    return site.answer(number, question)


app = ClientApp()
app.train()(answer)
app.evaluate()(answer)
app.query()(answer)
