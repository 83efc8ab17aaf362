"""Networks of the phantom cohorts that are recognised as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from camlucida.core.messages import Message
from camlucida.models.assumptions import ACTIVATION, RecognisedCard, preprocessing_note
from camlucida.models.card import Card
from camlucida.models.checkpoint import State
from camlucida.models.preprocessing.spec import InputSpec
from camlucida.models.shapes import built_shapes, same_shapes, shapes_of

SMALL_INPUT = InputSpec(size=128, channels=1, range=(-1, 1))
"""Of the networks of the phantom cohorts."""

SMALL_INPUT_NOTE = preprocessing_note(SMALL_INPUT, "symmetric")


@dataclass(frozen=True)
class SmallNetwork:
    """A network of the phantom cohorts that is recognised as a whole.

    Attributes:
        factory: what builds it.
        key: that no other network has.
        last: key of its last weight.
    """

    factory: str
    key: str
    last: str

    def cards(self, state: State) -> Iterator[RecognisedCard]:
        """Its card, if the state dict is of this network.

        Args:
            state: the weights.
        """
        if self.key not in state or self.last not in state:
            return
        outputs = int(state[self.last].shape[0])
        args = {"num_classes": outputs}
        if not same_shapes(built_shapes(self.factory, args), shapes_of(state)):
            return
        name = self.factory.partition(":")[2]
        what = Message("recognised.whole", {"network": name, "outputs": outputs})
        card = Card(factory=self.factory, args=args, input=SMALL_INPUT, description=str(what))
        yield RecognisedCard(card, outputs, (what, ACTIVATION, SMALL_INPUT_NOTE))


REGRESSOR = SmallNetwork(
    "camlucida.phantom.nets:small_regressor", "backbone.stem.0.weight", "head.weight"
)
UNET = SmallNetwork(
    "camlucida.phantom.nets:small_unet", "encoder.stages.0.0.weight", "segmentation_head.0.weight"
)
